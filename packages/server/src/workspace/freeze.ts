/** Pausing and resuming a VM, in a turn that the caller has: its CPUs stand still, its memory stays. */
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Caller } from './caller.ts'
import type { Control } from './control.ts'
import { transition } from './lifecycle.ts'

/** Time a freeze or thaw has, ms; the monitor answers within milliseconds. */
const deadlineMs = 30_000

/** Pauses the VM of a running row. */
export async function pauseNow(control: Control, row: WorkspaceRow, caller: Caller): Promise<WorkspaceRow> {
  return finishPause(control, await begin(control, row, caller, 'pause'), caller)
}

/** Lets the VM of a paused row go on. `verb`: what was asked for. */
export async function resumeNow(control: Control, row: WorkspaceRow, caller: Caller, verb: 'resume' | 'start'): Promise<WorkspaceRow> {
  return finishResume(control, await begin(control, row, caller, verb), caller)
}

/** Second half of a pause. A VM that cannot be paused goes on. */
export function finishPause(control: Control, pausing: WorkspaceRow, caller: Pick<Caller, 'actor' | 'cause'>): Promise<WorkspaceRow> {
  return finish(control, pausing, caller, { act: (boot) => control.runner.pause(pausing.id, boot), done: 'paused', back: 'running' })
}

/** Second half of a resume. A VM that cannot go on stays paused. */
export function finishResume(control: Control, resuming: WorkspaceRow, caller: Pick<Caller, 'actor' | 'cause'>): Promise<WorkspaceRow> {
  return finish(control, resuming, caller, { act: (boot) => control.runner.resume(resuming.id, boot), done: 'running', back: 'paused' })
}

async function begin({ store, clock }: Control, row: WorkspaceRow, caller: Caller, verb: 'pause' | 'resume' | 'start'): Promise<WorkspaceRow> {
  const { actor, cause } = caller
  const [from, to, desired] = verb === 'pause' ? (['running', 'pausing', 'paused'] as const) : (['paused', 'resuming', 'running'] as const)
  const moving = await store.transaction((tx) => {
    const now = clock.now()
    const patch = { desired, deadline_at: now + deadlineMs }
    return transition(tx, row, { from: [from], to, bootId: row.boot_id, actor, cause, reason: verb, patch, begins: { verb, caller } }, now)
  })
  return moving ?? fail('conflict', { message: `The workspace is no longer ${from}.`, details: { status: row.status } })
}

interface Half {
  readonly act: (bootId: string) => Promise<void>
  readonly done: 'paused' | 'running'
  readonly back: 'paused' | 'running'
}

async function finish({ store, clock }: Control, moving: WorkspaceRow, { actor, cause }: Pick<Caller, 'actor' | 'cause'>, half: Half): Promise<WorkspaceRow> {
  const bootId = moving.boot_id
  if (bootId === null) throw new Error(`${moving.id} is ${moving.status} without a boot`)
  const from = [moving.status]
  try {
    await half.act(bootId)
  } catch (error) {
    const { code, message } = error instanceof AlcoveError ? error : { code: 'VM_UNAVAILABLE', message: messageOf(error) }
    const patch = { desired: half.back, deadline_at: null } as const
    const ends = { status: 'failed', error: { code, message } } as const
    // A VM that has ended is settled by its end.
    await store.transaction((tx) => transition(tx, moving, { from, to: half.back, bootId, actor, cause, reason: message, patch, ends }, clock.now()))
    throw error
  }
  const reason = half.done === 'paused' ? 'the virtual machine stands still' : 'the virtual machine goes on'
  const patch = { deadline_at: null, desired: half.done } as const
  const done = await store.transaction((tx) => transition(tx, moving, { from, to: half.done, bootId, actor, cause, reason, patch }, clock.now()))
  if (done) return done
  const now = await workspaces.findAny(store.db, moving.id)
  return fail('conflict', { message: `The workspace is ${now?.status ?? 'deleted'} by now.`, details: { status: now?.status ?? 'deleted' } })
}
