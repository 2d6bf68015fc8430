/**
 * Workspaces as they are shown, kept as long as they are true: while nothing was committed to the database they are given out as they
 * are, else a row is read again if its version or slot has changed. Within a second the same object is given out, so that it need not
 * be printed again either.
 */
import type { Workspace } from '@alcove/contract'
import type { Clock } from '../lib/clock.ts'
import type { Store } from '../store/open.ts'
import type { LocatedWorkspace, PageQuery, WorkspaceHead } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { presentWorkspace } from './present.ts'

/** Workspaces that are kept; some 10 kB each. */
const maxKept = 1000

/** Pages that are kept; some 20 kB each. */
const maxPages = 200

interface Kept {
  readonly row: LocatedWorkspace
  /** Version of the database at which the row was last seen to be so. */
  seenAt: number | undefined
  /** Second of the clock for which `workspace` is true: uptime is shown in whole seconds. */
  second: number
  workspace: Workspace
}

/** Workspaces of a page, and how many there are on all pages. */
export interface Page {
  readonly workspaces: Workspace[]
  readonly total: number
}

interface KeptPage {
  readonly seenAt: number
  readonly second: number
  readonly page: Page
}

/** Reads of workspaces. */
export interface Views {
  /** A workspace of an account. */
  find(accountId: string, id: string): Promise<Workspace | undefined>
  /** A page of an account's workspaces. */
  page(query: PageQuery): Promise<Page>
  /** Gives back the memory of a workspace that nobody will ask for again. */
  forget(id: string): void
}

/** What views are made of. */
export interface ViewDependencies {
  readonly store: Pick<Store, 'db' | 'dataVersion'>
  readonly clock: Clock
  /** Address of a slot. */
  readonly addressOf: (slot: number) => string
}

/** Makes the views. */
export function createViews({ store, clock, addressOf }: ViewDependencies): Views {
  const kept = new Map<string, Kept>()
  const pages = new Map<string, KeptPage>()

  const show = (row: LocatedWorkspace, now: number) => presentWorkspace(row, row.slot === null ? '' : addressOf(row.slot), now)

  function current(known: Kept): Workspace {
    const now = clock.now()
    const second = Math.floor(now / 1000)
    if (known.second !== second) {
      known.workspace = show(known.row, now)
      known.second = second
    }
    return known.workspace
  }

  /** What is kept of a head, read again if it is of another version. `seenAt` was read before the head. */
  async function take(head: WorkspaceHead, seenAt: number | undefined): Promise<Kept | undefined> {
    const known = kept.get(head.id)
    if (known?.row.version === head.version && known.row.slot === head.slot) {
      known.seenAt = seenAt
      return known
    }
    const row = await workspaces.findAny(store.db, head.id)
    if (!row) return undefined
    const now = clock.now()
    const anew: Kept = { row, seenAt, second: Math.floor(now / 1000), workspace: show(row, now) }
    keep(kept, maxKept, row.id, anew)
    return anew
  }

  return {
    forget: (id) => void kept.delete(id),
    async find(accountId, id) {
      const seenAt = store.dataVersion()
      const known = kept.get(id)
      if (seenAt !== undefined && known?.seenAt === seenAt) return known.row.account_id === accountId ? current(known) : undefined
      const head = await workspaces.findHead(store.db, accountId, id)
      const taken = head && (await take(head, seenAt))
      return taken && current(taken)
    },
    async page(query) {
      const seenAt = store.dataVersion()
      const second = Math.floor(clock.now() / 1000)
      const key = JSON.stringify(query)
      const known = pages.get(key)
      if (seenAt !== undefined && known?.seenAt === seenAt && known.second === second) return known.page
      const { heads, total } = await workspaces.listPage(store.db, query)
      // One that was deleted since its head was read is left out.
      const taken = await Promise.all(heads.map((head) => take(head, seenAt)))
      const page = { workspaces: taken.flatMap((one) => (one ? [current(one)] : [])), total }
      if (seenAt !== undefined) keep(pages, maxPages, key, { seenAt, second, page })
      return page
    },
  }
}

/** Keeps an entry as the newest; the oldest goes when there are too many. */
function keep<T>(entries: Map<string, T>, most: number, key: string, entry: T): void {
  entries.delete(key)
  if (entries.size >= most) entries.delete(entries.keys().next().value as string)
  entries.set(key, entry)
}
