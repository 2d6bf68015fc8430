/** The host's side of the agent in the VM. Everything that comes back is hostile until parsed. */
import type { GuestNetwork } from '../network/network.ts'

/** What the agent is told once per boot. */
export interface GuestConfiguration {
  readonly bootId: string
  readonly hostname: string
  /** Wall time, ms since the epoch. */
  readonly timeMs: number
  /** Host randomness, base64 of 64 bytes. */
  readonly entropy: string
  /** 32 hex digits. */
  readonly machineId: string
  readonly network: GuestNetwork
  /** Start command; `null` when there is none. */
  readonly start: GuestStart | null
}

/** The start command as it is run: environment complete, no shell unless named. */
export interface GuestStart {
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  /** `user`, `uid`, `user:group` or `uid:gid`, resolved in the image. */
  readonly user: string
}

/** What the guest says of itself. */
export interface GuestInfo {
  readonly bootId: string
  /** `uname -a` in parts. */
  readonly kernelRelease: string
  readonly kernelVersion: string
  readonly machine: string
  readonly hostname: string
  readonly agentVersion: string
  /** Seconds since the kernel started. */
  readonly uptimeSeconds: number
  readonly cpus: number
  readonly memoryTotalBytes: number
  /** `waiting`: not configured yet; `ready`: disk, network and start command are up; `failed`: see `message`. */
  readonly phase: 'waiting' | 'configuring' | 'ready' | 'failed'
  readonly message: string
  /** State of the start command. */
  readonly start: { readonly state: 'none' | 'running' | 'exited' | 'failed'; readonly pid: number; readonly exitCode: number | null; readonly message: string }
}

/** Usage as the guest measures it. */
export interface GuestStats {
  readonly uptimeSeconds: number
  /** Busy CPU time of all CPUs since boot, and total, ms. */
  readonly cpuBusyMs: number
  readonly cpuTotalMs: number
  readonly memoryTotalBytes: number
  readonly memoryUsedBytes: number
  readonly diskTotalBytes: number
  readonly diskUsedBytes: number
}

/** A connection to one agent. Each call has its own deadline and rejects when the guest breaks the protocol. */
export interface GuestClient {
  info(signal?: AbortSignal): Promise<GuestInfo>
  /** Applies the configuration; resolves when disk, network and start command are up. Same `bootId` again: answers as before. */
  configure(configuration: GuestConfiguration, signal?: AbortSignal): Promise<GuestInfo>
  stats(signal?: AbortSignal): Promise<GuestStats>
  /** Sets the clock of the guest, ms since the epoch: it stood while the VM was frozen. */
  setTime(timeMs: number, signal?: AbortSignal): Promise<void>
  /** Asks for an orderly shutdown: terminate, sync, unmount, power off. Resolves when the agent has accepted. */
  shutdown(graceMs: number, signal?: AbortSignal): Promise<void>
  close(): void
}

/** Connects to the agent's socket; retries until the agent answers, the signal aborts or the VM is gone. */
export type ConnectGuest = (socketPath: string, options: { readonly signal: AbortSignal }) => Promise<GuestClient>
