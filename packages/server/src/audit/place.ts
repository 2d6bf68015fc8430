/** What the parts of the census look at. */
import type { Listener } from '../config.ts'
import { type InstallNames, installNames } from '../network/names.ts'
import type { Rows } from './known.ts'
import type { ReadDatabase } from './read-database.ts'

/** An account's way to the API. */
export interface AuditCredentials {
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
}

/** An installation on this host, and how strictly it is judged. */
export interface Place {
  readonly dataDir: string
  /** The same without links: what the kernel calls it. */
  readonly realDataDir: string
  readonly names: InstallNames
  /** The rows as they were before the host was looked at. */
  readonly before: Rows
  readonly database: ReadDatabase
  readonly listen: readonly Listener[]
  readonly credentials: readonly AuditCredentials[]
  /** Whether images are read whole. */
  readonly hashImages: boolean
  /** Whether nobody is asking anything of the daemon: then nothing may be moving. */
  readonly isSettled: boolean
  /** ms since the epoch. */
  readonly now: number
}

/** Names of an installation. */
export function namesOf({ installId }: Rows): InstallNames {
  return installNames(installId)
}

/** Root of the control groups. */
export const cgroupRoot = '/sys/fs/cgroup'
