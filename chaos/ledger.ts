/** What clients were told of changes and denials, for comparison with the audit chain: the answers' own ids are what ties the two together. */
import Sqlite from 'better-sqlite3'
import type { Answer, Api } from './api.ts'

/** A change that was acknowledged, or a request that was refused for who asked. */
export type Told =
  | { readonly kind: 'change'; readonly account: string; readonly what: string; readonly operationId: string | null; readonly target: string | null }
  | {
      readonly kind: 'denial'
      readonly account: string
      readonly what: string
      readonly requestId: string | null
      readonly status: number
      readonly code: string
    }

/** Statuses of refusals that are denials, and not mistakes of the request or of the moment. That a read finds nothing is none. */
const denials: ReadonlySet<number> = new Set([401, 402, 403, 404, 412])
const isDenial = (method: string, status: number) => denials.has(status) && !(method === 'GET' && status === 404)

/** Keeps what clients were told. */
export class Ledger {
  readonly told: Told[] = []
  readonly #waiting = new Set<{ left: number; readonly resolve: () => void }>()

  /** The same way to the API, with everything that is answered on it kept. */
  listen(api: Api): Api {
    return {
      ...api,
      send: async (method, path, options) => {
        const answer = await api.send(method, path, options)
        this.#note(api.account, method, path, answer)
        return answer
      },
    }
  }

  /** Resolves with the `count`-th change or denial from now on, in the very turn in which its answer arrives. */
  after(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.add({ left: count, resolve }))
  }

  #note(account: string, method: string, path: string, answer: Answer): void {
    if (answer.kind !== 'answered') return
    const { status, body, headers } = answer
    const what = `${method} ${path}`
    if (status < 300 && method !== 'GET') {
      const target = body.workspace?.id ?? /ws_[a-z0-9]+/.exec(path)?.[0] ?? null
      this.told.push({ kind: 'change', account, what, operationId: headers.get('x-operation-id'), target })
    } else if (isDenial(method, status)) {
      this.told.push({ kind: 'denial', account, what, requestId: headers.get('x-request-id'), status, code: body.code ?? '' })
    } else return
    for (const waiting of this.#waiting) {
      waiting.left--
      if (waiting.left > 0) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }
}

interface AuditRow {
  readonly account: string | null
  readonly actor: string
  readonly target: string | null
  readonly outcome: string
  readonly code: string | null
}

/** Compares what was told with the rows of the chain: one row for each, which says the same; one for each operation, whoever asked. */
export function compareWithAudit(told: readonly Told[], database: string): { readonly rows: number; readonly violations: readonly string[] } {
  const db = new Sqlite(database, { readonly: true })
  try {
    const select = 'select accounts.name as account, actor, target, outcome, code from audit left join accounts on accounts.id = audit.account_id where'
    const ofOperation = db.prepare(`${select} operation_id = ?`)
    const ofRequest = db.prepare(`${select} outcome = 'denied' and request_id = ?`)
    const violations = told.flatMap((one) => {
      const id = one.kind === 'change' ? one.operationId : one.requestId
      if (id === null) return [`the answer to ${one.what} named no ${one.kind === 'change' ? 'operation' : 'request'}`]
      const rows = (one.kind === 'change' ? ofOperation : ofRequest).all(id) as AuditRow[]
      return differences(one, rows).map((difference) => `${one.what} of ${one.account} (${id}): ${difference}`)
    })
    const count = (query: string) => (db.prepare(query).pluck().all() as string[]).slice(0, 20)
    const doubled = count('select operation_id from audit where operation_id is not null group by operation_id having count(*) > 1')
    const missing = count('select id from operations where id not in (select operation_id from audit where operation_id is not null)')
    violations.push(...doubled.map((id) => `${id} is in the chain more than once`), ...missing.map((id) => `${id} was done and is not in the chain`))
    return { rows: db.prepare('select count(*) from audit').pluck().get() as number, violations }
  } finally {
    db.close()
  }
}

function differences(told: Told, rows: readonly AuditRow[]): string[] {
  const [row] = rows
  if (!row || rows.length !== 1) return [`${rows.length} rows in the chain`]
  if (told.kind === 'change') {
    const isSame = row.outcome === 'done' && row.account === told.account && (told.target === null || row.target === told.target)
    return isSame ? [] : [`the row says ${JSON.stringify(row)}`]
  }
  // Whoever is not known has no account.
  const account = told.status === 401 ? null : told.account
  return row.account === account && row.code === told.code ? [] : [`the row says ${JSON.stringify(row)}, the answer ${told.code}`]
}
