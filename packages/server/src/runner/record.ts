/** The record of a boot on disk: the intent before the first side effect, the VM's handle as soon as there is one. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { findFile, removeCutOff, writeFileDurably } from '../lib/files.ts'
import type { Logger } from '../lib/log.ts'
import type { VmHandle } from '../vmm/driver.ts'
import { workspacePaths } from './paths.ts'
import type { BootSpec, FoundVm } from './runner.ts'

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
const copy = Compile(Type.Object({ version: Type.Literal(1), spec: Spec }))

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

/** The record if it is there, can be read and is that of the boot. */
export async function findRecordOf(
  { dataDir, log }: { readonly dataDir: string; readonly log: Logger },
  { workspaceId, bootId }: FoundVm,
): Promise<BootRecord | undefined> {
  try {
    const found = await findRecord(workspacePaths(dataDir, workspaceId).record)
    const isSame = found?.spec.bootId === bootId && (found.handle === null || found.handle.bootId === bootId)
    return isSame ? found : undefined
  } catch (error) {
    log.error({ workspaceId, err: error }, 'the record of the last boot cannot be read; its process is looked for by its mark')
    return undefined
  }
}

/** Writes what a boot depends on into its directory as well: should the record be damaged, its VM can still be taken up. */
export async function writeSpecCopy(runDir: string, spec: BootSpec): Promise<void> {
  await writeFileDurably(join(runDir, copyName), JSON.stringify({ version: 1, spec }))
}

/** The copy, if it is there, whole and of that boot. */
export async function findSpecCopy(runDir: string, { workspaceId, bootId }: FoundVm): Promise<BootSpec | undefined> {
  const text = await findFile(join(runDir, copyName)).catch(() => undefined)
  try {
    const value: unknown = JSON.parse(text ?? 'null')
    return copy.Check(value) && value.spec.workspaceId === workspaceId && value.spec.bootId === bootId ? value.spec : undefined
  } catch {
    return undefined
  }
}

/** Name of the copy in the directory of a boot. */
const copyName = 'spec.json'

/** Removes the record, and what writes of it left that were cut off. Idempotent. */
export async function removeRecord(path: string): Promise<void> {
  await removeCutOff(path)
  await rm(path, { force: true })
}
