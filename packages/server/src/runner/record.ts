/** The record of a boot on disk: the intent before the first side effect, the VM's handle as soon as there is one. */
import { rm } from 'node:fs/promises'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { findFile, writeFileDurably } from '../lib/files.ts'
import type { VmHandle } from '../vmm/driver.ts'
import type { BootSpec } from './runner.ts'

const Spec = Type.Object({
  workspaceId: Type.String(),
  bootId: Type.String(),
  cpus: Type.Integer(),
  memoryMib: Type.Integer(),
  diskMib: Type.Integer(),
  imageDigest: Type.String(),
  slot: Type.Integer(),
  hostname: Type.String(),
  allowInternet: Type.Boolean(),
  cmd: Type.Union([Type.Array(Type.String()), Type.String(), Type.Null()]),
  env: Type.Array(Type.Object({ key: Type.String(), value: Type.String() })),
  waitForInit: Type.Boolean(),
  keepLogs: Type.Boolean(),
})

const Handle = Type.Object({
  version: Type.Literal(1),
  installId: Type.String(),
  workspaceId: Type.String(),
  bootId: Type.String(),
  hostBootId: Type.String(),
  pid: Type.Integer(),
  startTicks: Type.Integer(),
  uid: Type.Integer(),
  runDir: Type.String(),
  agentSocket: Type.String(),
  lockPath: Type.String(),
  cgroups: Type.Array(Type.String()),
})

const Record = Type.Object({ version: Type.Literal(1), spec: Spec, handle: Type.Union([Handle, Type.Null()]) })

/** What is known of the last boot of a workspace. */
export interface BootRecord {
  readonly version: 1
  readonly spec: BootSpec
  /** `null` until the VM was launched. */
  readonly handle: VmHandle | null
}

const record = Compile(Record)

/** Writes the record; it is there, whole, also after a power cut. */
export async function writeRecord(path: string, value: BootRecord): Promise<void> {
  await writeFileDurably(path, JSON.stringify(value))
}

/** The record, or `undefined` when there is none. @throws when it is there but cannot be read: it is never guessed at. */
export async function findRecord(path: string): Promise<BootRecord | undefined> {
  const text = await findFile(path)
  if (text === undefined) return undefined
  const value: unknown = JSON.parse(text)
  if (!record.Check(value)) throw new Error(`${path} was written by another version, or is damaged`)
  return value
}

/** Removes the record. Idempotent. */
export async function removeRecord(path: string): Promise<void> {
  await rm(path, { force: true })
}
