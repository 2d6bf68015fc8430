/**
 * Rows × host → what is missing is done, what is too much goes. Runs at start, where it is the recovery, and then periodically.
 * Nothing is destroyed on missing evidence: a stranger must be seen twice, a grace period apart, and many at once stop the pass.
 */
import { movingStatuses } from '@alcove/contract'
import { fail, messageOf } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import type { FoundVm } from '../runner/runner.ts'
import * as accounts from '../store/accounts.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'
import { provision } from './create.ts'
import { settleExit } from './exited.ts'
import { type Caller, down, finishStart, restart } from './power.ts'
import { finishRemoval } from './remove.ts'

/** Time a stranger is left alone after it was first seen, ms. */
const strangerGraceMs = 60_000

/** Strangers that one pass removes at most; more look like a mistake of ours. */
const strangersPerPass = 3

const system = { actor: 'system' } as const

/** Keeps rows and host in agreement. */
export interface Reconciler {
  /** Takes up what runs and finishes what was cut off. Resolves when every row was looked at; what it started goes on in the mailboxes. */
  recover(): Promise<void>
  /** One periodic pass. */
  pass(): Promise<void>
}

/** Makes a reconciler. */
export function createReconciler(control: Control): Reconciler {
  const strangers = new Map<string, number>()
  return {
    async recover() {
      const rows = await workspaces.listByStatus(control.store.db, ['running', ...movingStatuses])
      const withBoot = rows.flatMap((row) => (row.boot_id === null ? [] : [{ workspaceId: row.id, bootId: row.boot_id }]))
      const adopted = new Set((await control.runner.adopt(withBoot)).map((vm) => vm.workspaceId))
      for (const row of rows) void background(control, row, () => resume(control, row, adopted.has(row.id)))
      await control.runner.verifyNetwork()
    },
    async pass() {
      await control.runner.verifyNetwork()
      for (const row of await workspaces.listByStatus(control.store.db, movingStatuses)) {
        if (control.mailboxes.current(row.id) === undefined) void background(control, row, () => resume(control, row, false))
      }
      await reclaim(control, strangers)
    },
  }
}

/** Finishes what the row says was under way. */
async function resume(control: Control, row: WorkspaceRow, isAlive: boolean): Promise<unknown> {
  const { mailboxes } = control
  switch (row.status) {
    case 'deleting':
      return mailboxes.run(row.id, 'delete', () => finishRemoval(control, row, 'system'))
    case 'stopping':
      // A restart that was cut off while it stopped still wants the VM to run.
      if (row.desired === 'running') return restart(control, row.id, await callerOf(control, row))
      return mailboxes.run(row.id, 'stop', () => down(control, row, system, 'stop'))
    case 'creating':
      return mailboxes.run(row.id, 'create', async (signal) => {
        const anew = await renew(control, row)
        return provision(control, anew, 'system', signal, () => true)
      })
    case 'starting':
      return mailboxes.run(row.id, 'start', async (signal) => finishStart(control, await renew(control, row), 'system', signal))
    case 'running':
      if (isAlive || row.boot_id === null) return
      return mailboxes.run(row.id, 'exited', () => settleExit(control, vmOf(row), { cause: 'lost', detail: 'it was not there when the server started' }))
  }
}

/** Clears away what a cut-off boot left and gives the row a new one. */
async function renew(control: Control, row: WorkspaceRow): Promise<WorkspaceRow> {
  const { store, runner, clock, times } = control
  const slot = (await slots.find(store.db, row.id)) ?? null
  await runner.shutdown({ workspaceId: row.id, slot }, 0)
  const now = clock.now()
  const patch = { boot_id: newId('boot'), deadline_at: now + times.moveDeadlineMs }
  const renewed = await store.transaction((tx) => workspaces.compareAndSet(tx, { id: row.id, from: [row.status], bootId: row.boot_id }, patch, now))
  return renewed ?? fail('conflict', { message: 'The workspace was changed while it was recovered.' })
}

/** Removes what no row explains. The host is read before the rows, so that a workspace that is just being made is not a stranger. */
async function reclaim(control: Control, strangers: Map<string, number>): Promise<void> {
  const { runner, store, clock, log } = control
  const found = await runner.inventory()
  const known = new Set(await workspaces.listIds(store.db))
  const now = clock.monotonic()
  const unknown = new Set(found.filter((id) => !known.has(id)))
  for (const id of strangers.keys()) if (!unknown.has(id)) strangers.delete(id)
  for (const id of unknown) if (!strangers.has(id)) strangers.set(id, now)
  const due = [...strangers].filter(([, since]) => now - since >= strangerGraceMs).map(([id]) => id)
  if (due.length > Math.max(strangersPerPass, known.size * 0.1)) {
    log.error({ strangers: due }, 'too many strangers at once to be believed; nothing is reclaimed. Check that the database belongs to this data directory.')
    return
  }
  for (const workspaceId of due) {
    log.warn({ workspaceId }, 'reclaiming what no workspace explains')
    await runner.destroy({ workspaceId, slot: null })
    strangers.delete(workspaceId)
  }
}

/** Runs a part of the recovery that nobody waits for. */
async function background(control: Control, row: WorkspaceRow, fn: () => Promise<unknown>): Promise<void> {
  try {
    await fn()
  } catch (error) {
    control.log.warn({ workspaceId: row.id, status: row.status, reason: messageOf(error) }, 'could not bring the workspace in order; it is tried again')
  }
}

function vmOf(row: WorkspaceRow): FoundVm {
  return { workspaceId: row.id, bootId: row.boot_id ?? '' }
}

async function callerOf(control: Control, row: WorkspaceRow): Promise<Caller> {
  const account = await accounts.get(control.store.db, row.account_id)
  return { actor: 'system', plan: account.plan }
}
