/**
 * What the rows say of each workspace. The host cannot be stopped while it is looked at, so the rows are read before and after: what
 * changed in between is judged neither way.
 */
import { type Config, movingStatuses, type WorkspaceStatus } from '@alcove/contract'

/** A workspace as far as the census judges it. */
export interface AuditRow {
  readonly id: string
  readonly account_id: string
  readonly status: WorkspaceStatus
  readonly boot_id: string | null
  readonly version: number
  readonly mode: string
  readonly image_digest: string | null
  readonly cpus: number
  readonly memory_mb: number
  readonly disk_mb: number
  readonly config: Config
  readonly started_at: number | null
  readonly deadline_at: number | null
  readonly expires_at: number | null
  /** Slot it holds. */
  readonly slot: number | null
}

/** A row of the address pool. */
export interface AuditSlot {
  readonly slot: number
  readonly workspace_id: string | null
  readonly released_at: number | null
}

/** An action that has not ended. */
export interface OpenOperation {
  readonly id: string
  readonly workspace_id: string
  readonly verb: string
  readonly created_at: number
}

/** One consistent reading of the database. */
export interface Rows {
  readonly installId: string
  readonly uidBase: number
  readonly workspaces: readonly AuditRow[]
  readonly slots: readonly AuditSlot[]
  readonly operations: readonly OpenOperation[]
  readonly accounts: readonly { readonly id: string }[]
  readonly totals: readonly { readonly account_id: string; readonly total: number }[]
  /** Number of the last event. */
  readonly lastEvent: number
}

/** Whether a workspace has a VM: it must, it may (it is moving, or changed while it was looked at), or it has none. */
export type VmPlace = 'must' | 'may' | 'none'

/** What is known of the rows during a look. */
export interface Known {
  readonly rows: Rows
  /** The row of a workspace, unless it changed during the look. */
  row(id: string): AuditRow | undefined
  vm(id: string): VmPlace
  /** Workspaces that must have a VM. */
  readonly running: readonly AuditRow[]
  /** Workspaces that did not change during the look. */
  readonly steady: readonly AuditRow[]
  /** Slots that a workspace held at any time of the look. */
  readonly holders: ReadonlyMap<number, ReadonlySet<string>>
  /** A workspace for people: what its row says of it. */
  describe(id: string): string
  /** Workspaces without a row that were described. */
  readonly strangers: ReadonlySet<string>
}

/** Whether an action is under way. */
export function isMoving(status: WorkspaceStatus): boolean {
  return (movingStatuses as readonly string[]).includes(status)
}

/**
 * Joins two readings.
 * @param touched workspaces that had an event in between, also if no reading shows them
 * @param deleted workspaces without a row of which the database says that they were deleted
 */
export function know(before: Rows, after: Rows, touched: ReadonlySet<string>, deleted: ReadonlySet<string>): Known {
  const [first, last] = [byId(before), byId(after)]
  const isBusy = (id: string) => touched.has(id) || first.get(id)?.version !== last.get(id)?.version || first.get(id)?.slot !== last.get(id)?.slot
  const steady = after.workspaces.filter(({ id }) => !isBusy(id))
  const holders = new Map<number, Set<string>>()
  for (const { slot, workspace_id } of [...before.slots, ...after.slots]) {
    if (workspace_id !== null) holders.set(slot, (holders.get(slot) ?? new Set()).add(workspace_id))
  }
  const strangers = new Set<string>()
  const vm = (id: string): VmPlace => {
    const row = last.get(id)
    if (isBusy(id) || (row && isMoving(row.status))) return 'may'
    return row?.status === 'running' || row?.status === 'paused' ? 'must' : 'none'
  }
  return {
    rows: after,
    row: (id) => (isBusy(id) ? undefined : last.get(id)),
    vm,
    running: steady.filter(({ id }) => vm(id) === 'must'),
    steady,
    holders,
    strangers,
    describe(id) {
      const row = last.get(id)
      if (row) return `workspace ${id} is ${row.status}`
      strangers.add(id)
      return deleted.has(id) ? `workspace ${id} was deleted` : `the database has never heard of workspace ${id}`
    },
  }
}

function byId({ workspaces }: Rows): ReadonlyMap<string, AuditRow> {
  return new Map(workspaces.map((row) => [row.id, row]))
}
