/** Changing what a workspace is to be like: one transaction each, recorded as an operation that is done with it. */
import { type Config, limits, type Metadata, type OperationVerb } from '@alcove/contract'
import { fail } from '../lib/fail.ts'
import type { Tx } from '../store/open.ts'
import * as slots from '../store/slots.ts'
import type { WorkspacePatch, WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { assertGeneration, type Requester } from './caller.ts'
import type { Control } from './control.ts'
import { recordDone } from './lifecycle.ts'
import { ttlMs } from './restart-policy.ts'
import { holdsAddress } from './settle.ts'
import { noSuchWorkspace } from './workspaces.ts'

/** What a lifecycle request asks for; absent stays as it is, `null` takes away. */
export interface Term {
  readonly ttl?: string | null | undefined
  readonly ttl_action?: Config['ttl_action'] | undefined
  readonly remove_on_exit?: boolean | undefined
}

/** Lets a workspace live until it is deleted; its address is its own from now on. */
export function makePermanent(control: Control, requester: Requester, id: string, restartPolicy: Config['restart_policy'] = 'always'): Promise<WorkspaceRow> {
  return change(control, requester, id, 'lifecycle', 'made permanent', async (tx, row, now) => {
    const { ttl: _ttl, ...config } = row.config
    await slots.allocate(tx, row.id, now, { restMs: control.times.slotRestMs })
    return { mode: 'permanent', expires_at: null, config: { ...config, ttl_action: 'stop', remove_on_exit: false, restart_policy: restartPolicy } }
  })
}

/** Lets a workspace live for a time; at rest it gives back an address that is not to be kept. */
export function makeTemporary(control: Control, requester: Requester, id: string, term: Term): Promise<WorkspaceRow> {
  return change(control, requester, id, 'lifecycle', 'made temporary', async (tx, row, now) => {
    const ttl_action = term.ttl_action ?? 'stop'
    const changed = withTerm({ ...row, mode: 'temporary' }, { ...term, ttl_action }, now)
    if (row.status === 'stopped' && !holdsAddress({ mode: 'temporary', config: changed.config })) await slots.release(tx, row.id, now)
    return { mode: 'temporary', ...changed }
  })
}

/** Changes the time to live and begins it anew. @throws conflict for a permanent workspace */
export function setTtl(control: Control, requester: Requester, id: string, term: Term): Promise<WorkspaceRow> {
  return change(control, requester, id, 'lifecycle', 'the time to live was changed', async (_tx, row, now) => {
    assertTemporary(row)
    return withTerm(row, term, now)
  })
}

/** Begins the time to live anew, with another length if one is given. @throws vm_not_running for a workspace at rest */
export function ping(control: Control, requester: Requester, id: string, ttlSeconds: number | undefined): Promise<WorkspaceRow> {
  return change(control, requester, id, 'ping', 'the time to live begins anew', async (_tx, row, now) => {
    if (row.status === 'stopped' || row.status === 'failed' || row.status === 'stopping') {
      fail('vm_not_running', { message: `The workspace is ${row.status}: a ping cannot keep it running. Start it.`, details: { status: row.status } })
    }
    if (ttlSeconds !== undefined) assertTemporary(row)
    return withTerm(row, ttlSeconds === undefined ? {} : { ttl: `${ttlSeconds}s` }, now)
  })
}

/** Stores when a workspace is to sleep for want of activity; `null` is never. */
export function setIdle(control: Control, requester: Requester, id: string, idle: Config['idle']): Promise<WorkspaceRow> {
  return change(control, requester, id, 'lifecycle', 'the idle policy was changed', async (_tx, row) => ({ config: { ...row.config, idle: idle ?? null } }))
}

/** Merges metadata; `null` removes a key. @throws validation_error when there are too many */
export function setMetadata(control: Control, requester: Requester, id: string, given: Readonly<Record<string, string | null>>): Promise<WorkspaceRow> {
  return change(control, requester, id, 'metadata', 'the metadata was changed', async (_tx, row) => {
    const merged = Object.entries({ ...row.metadata, ...given }).filter((entry): entry is [string, string] => entry[1] !== null)
    if (merged.length > limits.metadataEntries) {
      fail('validation_error', {
        message: `metadata may have ${limits.metadataEntries} entries; there would be ${merged.length}. Remove one by giving it null.`,
        details: { field: 'metadata', max: limits.metadataEntries },
      })
    }
    return { metadata: Object.fromEntries(merged) satisfies Metadata }
  })
}

async function change(
  { store, clock }: Control,
  requester: Requester,
  id: string,
  verb: OperationVerb,
  reason: string,
  patchOf: (tx: Tx, row: WorkspaceRow, now: number) => Promise<WorkspacePatch>,
): Promise<WorkspaceRow> {
  return store.transaction(async (tx) => {
    const now = clock.now()
    const row = (await workspaces.find(tx, requester.accountId, id)) ?? fail('not_found', { message: noSuchWorkspace })
    assertGeneration(row, requester)
    assertNotDeleting(row)
    const changed = await workspaces.update(tx, row.id, await patchOf(tx, row, now), now)
    await recordDone(tx, row, verb, requester, now, { reason })
    return changed ?? fail('not_found', { message: noSuchWorkspace })
  })
}

/** Refuses to change what is going. @throws conflict */
export function assertNotDeleting({ status }: Pick<WorkspaceRow, 'status'>): void {
  if (status === 'deleting') fail('conflict', { message: 'The workspace is being deleted.', details: { status, verb: 'settings', action: 'delete' } })
}

function assertTemporary({ mode }: Pick<WorkspaceRow, 'mode'>): void {
  if (mode === 'permanent') fail('conflict', { message: 'The workspace is permanent and has no time to live. Make it temporary first.', details: { mode } })
}

/** Config and due time with a term applied: the time begins now, or with the next start where there is no VM. */
function withTerm(
  row: Pick<WorkspaceRow, 'mode' | 'config' | 'status'>,
  { ttl, ttl_action, remove_on_exit }: Term,
  now: number,
): { config: Config; expires_at: number | null } {
  const { ttl: stored, ...rest } = row.config
  const kept = ttl === undefined ? stored : (ttl ?? undefined)
  const config: Config = {
    ...rest,
    ...(kept === undefined ? {} : { ttl: kept }),
    ...(ttl_action === undefined ? {} : { ttl_action }),
    ...(remove_on_exit === undefined ? {} : { remove_on_exit }),
  }
  const lives = ttlMs({ mode: row.mode, config })
  const isUp = row.status === 'running' || row.status === 'pausing' || row.status === 'paused' || row.status === 'resuming'
  return { config, expires_at: lives === undefined || !isUp ? null : now + lives }
}
