/** From a row that says `creating` or `starting` to a VM that runs: image, boot, and the move to `running`. */
import type { Cause, Config, Provisioning } from '@alcove/contract'
import { AlcoveError, messageOf } from '../lib/fail.ts'
import type { BootSpec } from '../runner/runner.ts'
import * as operations from '../store/operations.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'
import { transition } from './lifecycle.ts'
import { ttlMs } from './restart-policy.ts'
import { holdsAddress } from './settle.ts'

/** Time an image has to be there, ms: longer than its build may take, whose own bound gives the better reason. */
const imageDeadlineMs = 2 * 3_600_000

/** Boots the VM of a row and moves it to `running`. The row is as it was when this fails; the caller decides what becomes of it. */
export async function launch(
  control: Control,
  row: WorkspaceRow,
  by: { readonly actor: string; readonly cause: Cause },
  signal: AbortSignal,
): Promise<WorkspaceRow> {
  const { store, runner, clock } = control
  const digest = await pinImage(control, row, signal)
  const bootId = row.boot_id
  if (bootId === null) throw new Error(`${row.id} has no boot`)
  await note(control, row, 'starting', 'Starting the virtual machine.', control.times.moveDeadlineMs)
  const { booted, slot } = await observed(control, () => bootInFreeSlot(control, row, bootId, digest, signal))
  const running = await store.transaction(async (tx) => {
    const now = clock.now()
    // As it is now: it may have been changed while the VM booted.
    const ttl = ttlMs((await workspaces.findAny(tx, row.id)) ?? row)
    const done = { provisioning: null, failure: null, deadline_at: null, expires_at: ttl === undefined ? null : now + ttl }
    const patch = { started_at: booted.startedAt, timings: booted.timings, booted_config: row.config, ...done }
    const from = row.status === 'creating' ? (['creating'] as const) : (['starting'] as const)
    return transition(tx, row, { from, to: 'running', bootId, ...by, reason: 'the virtual machine runs', patch }, now)
  })
  if (running) return running
  // The row went another way while the VM booted: the VM must not outlive that.
  await runner.shutdown({ workspaceId: row.id, slot }, 0)
  throw signal.aborted ? signal.reason : new AlcoveError('conflict', { message: 'The workspace was changed while it started.' })
}

/** Slots that are tried one after the other: as many VMs as a host may run that its database does not know. */
const maxSlots = 1000

/** Boots in the slot of the row, or in another one when a VM that the database does not know uses it. An address that is to stay is not changed. */
async function bootInFreeSlot(control: Control, row: WorkspaceRow, bootId: string, digest: string, signal: AbortSignal) {
  const { store, runner, clock, times, log } = control
  for (let tries = 1; ; tries++) {
    const slot = await slots.find(store.db, row.id)
    if (slot === undefined) throw new Error(`${row.id} has no slot`)
    try {
      return { booted: await runner.boot(bootSpec(row, bootId, digest, slot), signal), slot }
    } catch (error) {
      const mayMove = row.status === 'creating' || !holdsAddress(row)
      const isTaken = error instanceof AlcoveError && error.details?.reason === 'slot_taken'
      if (!isTaken || !mayMove || tries >= maxSlots) throw error
      log.warn({ workspaceId: row.id, slot }, 'the slot is in use; another one is taken')
      await store.transaction(async (tx) => {
        // Given back at this moment it rests, so that the next one is another.
        await slots.release(tx, row.id, clock.now())
        await slots.allocate(tx, row.id, clock.now(), { restMs: Math.max(1, times.slotRestMs) })
      })
    }
  }
}

async function observed<T>({ clock, observeBoot }: Control, boot: () => Promise<T>): Promise<T> {
  const began = clock.monotonic()
  let outcome: 'running' | 'failed' = 'failed'
  try {
    const booted = await boot()
    outcome = 'running'
    return booted
  } finally {
    observeBoot(outcome, clock.monotonic() - began)
  }
}

/** What the runner needs to know of a row. */
export function bootSpec(row: Pick<WorkspaceRow, 'id' | 'name' | 'config'>, bootId: string, imageDigest: string, slot: number): BootSpec {
  const config: Config = row.config
  return {
    workspaceId: row.id,
    bootId,
    cpus: config.cpus,
    memoryMib: config.memory_mb,
    diskMib: config.writable_size_mb,
    imageDigest,
    slot,
    hostname: hostname(row),
    allowInternet: config.network_config.allow_internet,
    cmd: config.cmd ?? null,
    env: config.env,
    waitForInit: config.wait_for_init,
    keepLogs: config.keep_logs,
  }
}

/** The failure of a start as a row keeps it. */
export function failureOf(error: unknown, at: number): { code: string; message: string; at: number } {
  return { code: error instanceof AlcoveError ? error.code : 'START_FAILED', message: messageOf(error).slice(0, 4000), at }
}

/** Digest the workspace is pinned to; the first launch pins it, and builds the image if it is not there yet. */
async function pinImage(control: Control, row: WorkspaceRow, signal: AbortSignal): Promise<string> {
  if (row.image_digest !== null) return row.image_digest
  await note(control, row, 'preparing', `Preparing the image ${row.image}.`, imageDeadlineMs)
  let message = ''
  const image = await control.images.ensure(row.image_id, {
    signal,
    onProgress: (progress) => {
      if (progress.message === message) return
      message = progress.message
      note(control, row, 'preparing', message).catch((error) => control.log.warn({ workspaceId: row.id, reason: messageOf(error) }, 'could not store progress'))
    },
  })
  await control.store.transaction((tx) => workspaces.update(tx, row.id, { image_digest: image.digest }, control.clock.now()))
  return image.digest
}

/** Stores how far the first launch has come, and the time the next part of it has, ms. Later launches are told by the status alone. */
async function note(control: Control, row: WorkspaceRow, phase: Provisioning['phase'], message: string, partMs?: number): Promise<void> {
  if (row.status !== 'creating') return
  const now = control.clock.now()
  const at = new Date(now).toISOString()
  const provisioning: Provisioning = {
    state: 'running',
    phase,
    message,
    error: null,
    created_at: new Date(row.created_at).toISOString(),
    updated_at: at,
    completed_at: null,
  }
  const deadline = partMs === undefined ? {} : { deadline_at: now + partMs }
  await control.store.transaction(async (tx) => {
    await workspaces.compareAndSet(tx, { id: row.id, from: ['creating'], bootId: row.boot_id }, { provisioning, ...deadline }, now)
    if (partMs !== undefined && row.operation_id !== null) await operations.addStep(tx, row.operation_id, { name: phase, at: now })
  })
}

/** A host name of the workspace's name where it has one that fits, else its id. */
function hostname(row: Pick<WorkspaceRow, 'id' | 'name'>): string {
  const label = row.name
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, '')
  return label || row.id.replace('_', '-')
}
