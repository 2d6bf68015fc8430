/**
 * Rows × host → what is missing is done, what is too much goes. There is one way: the recovery at the start is the first pass, and every
 * later one looks at everything again, so that no event may be lost for good.
 */
import { liveStatuses, movingStatuses } from '@alcove/contract'
import { messageOf } from '../lib/fail.ts'
import type { VmLease } from '../runner/runner.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { createJumpDetector } from './clock-jump.ts'
import type { Control } from './control.ts'
import { handleExit } from './exited.ts'
import { createHousekeeping } from './housekeeping.ts'
import { createReclaim, endLeftOvers } from './reclaim.ts'
import { endAbandoned, recover } from './recover.ts'
import { endOverdue, watchHealth } from './watch.ts'

/** Keeps rows and host in agreement. */
export interface Reconciler {
  /** Takes up what runs and finishes what was cut off. Resolves when every row was looked at; what it started goes on in the mailboxes. */
  recover(): Promise<void>
  /** Looks at how the VMs are doing. */
  watch(): Promise<void>
  /** One periodic pass: the same, and then what only time can tell. A part that fails does not keep the others from their turn. */
  pass(): Promise<void>
}

/** Makes a reconciler. */
export function createReconciler(control: Control): Reconciler {
  const jumps = createJumpDetector(control)
  // A clock that was set must not make anything overdue.
  const look = () => jumps.look()
  const keepHouse = createHousekeeping(control)
  const parts = [look, agree, endOverdue, watchHealth, endLeftOvers, createReclaim(control), keepHouse]
  const inTurn = async (some: readonly ((control: Control) => Promise<unknown>)[]) => {
    for (const part of some) await part(control).catch((error) => control.log.error({ err: error }, 'a part of a pass failed; the next one tries again'))
  }
  return {
    async recover() {
      await agree(control)
      // What the last daemon left half done on the disk goes with the first look.
      await inTurn([look, keepHouse])
    },
    watch: () => watchHealth(control),
    pass: () => inTurn(parts),
  }
}

async function agree(control: Control): Promise<void> {
  const isIdle = (row: WorkspaceRow) => control.mailboxes.current(row.id) === undefined
  const live = (await workspaces.listByStatus(control.store.db, liveStatuses)).filter(isIdle)
  for (const row of await workspaces.listByStatus(control.store.db, movingStatuses)) {
    if (isIdle(row)) background(control, row.id, recover(control, row))
  }
  await takeUp(control, live)
  await control.runner.verifyNetwork(await leasesOf(control, live))
  await endAbandoned(control)
}

/** Holds every VM that a row says runs or stands still; a row whose VM is proved gone is settled, one of which nothing is known is left as it is. */
async function takeUp(control: Control, running: readonly WorkspaceRow[]): Promise<void> {
  const known = running.flatMap((row) => (row.boot_id === null ? [] : [{ workspaceId: row.id, bootId: row.boot_id }]))
  for (const vm of await control.runner.adopt(known)) {
    if (vm.state === 'gone') background(control, vm.workspaceId, handleExit(control, vm, vm.end))
  }
}

/** What the rules of the running VMs are to be, also where an update was stored and its daemon died before it acted. */
async function leasesOf({ store }: Control, running: readonly WorkspaceRow[]): Promise<VmLease[]> {
  const held = new Map((await slots.listHeld(store.db)).map(({ workspaceId, slot }) => [workspaceId, slot]))
  return running.flatMap(({ id, boot_id, config }) => {
    const slot = held.get(id)
    return slot === undefined || boot_id === null ? [] : [{ workspaceId: id, bootId: boot_id, slot, allowInternet: config.network_config.allow_internet }]
  })
}

/** Lets go of a part that nobody waits for. */
function background(control: Control, workspaceId: string, part: Promise<unknown>): void {
  part.catch((error) => control.log.warn({ workspaceId, reason: messageOf(error) }, 'could not bring the workspace in order; it is tried again'))
}
