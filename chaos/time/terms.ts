/** Times to live as the driver keeps them, by the host's own clock: when each is due, and when it was acted on. */
import { randomUUID } from 'node:crypto'
import Sqlite from 'better-sqlite3'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import type { Api } from '../api.ts'
import { smallest } from '../world.ts'

/** What is to happen at the end. */
export type Action = 'pause' | 'stop' | 'remove'

/** One time to live. */
export interface Term {
  readonly id: string
  readonly action: Action
  /** No earlier and no later than this it may be due, ms since the epoch by the host's clock: when it was asked for and when it was answered. */
  readonly earliest: number
  readonly latest: number
  /** When it was seen to be acted on. */
  actedAt?: number
}

/** Status that each action leaves behind; `null` is a workspace that is gone. */
export const leaves: Readonly<Record<Action, string | null>> = { pause: 'paused', stop: 'stopped', remove: null }

/** Gives a running workspace a time to live. */
export async function setTerm(api: Api, id: string, seconds: number, action: Exclude<Action, 'remove'>): Promise<Term> {
  const askedAt = systemClock.now()
  const answer = await api.send('PUT', `/workspace/${id}/lifecycle/ttl`, { body: { ttl: `${seconds}s`, ttl_action: action } })
  if (answer.kind !== 'answered' || answer.status !== 200) throw new Error(`no time to live for ${id}: ${JSON.stringify(answer).slice(0, 300)}`)
  return { id, action, earliest: askedAt + seconds * 1000, latest: systemClock.now() + seconds * 1000 }
}

/** Makes a workspace with a time to live at the end of which it is removed. */
export async function createWithTerm(api: Api, seconds: number, action: Action): Promise<Term> {
  const askedAt = systemClock.now()
  const config = { ...smallest.config, ttl: `${seconds}s`, ttl_action: action }
  const answer = await api.send('POST', '/workspace', { body: { ...smallest, config }, key: randomUUID() })
  const id = answer.kind === 'answered' ? answer.body.workspace?.id : undefined
  if (id === undefined) throw new Error(`no workspace with a time to live: ${JSON.stringify(answer).slice(0, 300)}`)
  return { id, action, earliest: askedAt + seconds * 1000, latest: systemClock.now() + seconds * 1000 }
}

/** A row as far as times are concerned. */
export interface TermRow {
  readonly status: string
  /** By the clock of the daemon. */
  readonly expires_at: number | null
}

/** The rows by id, read beside the daemon. */
export function readTerms(database: string): Map<string, TermRow> {
  const db = new Sqlite(database, { readonly: true })
  try {
    const rows = db.prepare('select id, status, expires_at from workspaces').all() as (TermRow & { id: string })[]
    return new Map(rows.map((row) => [row.id, row]))
  } finally {
    db.close()
  }
}

/** Notes which terms have been acted on by now. */
export function noteActed(terms: readonly Term[], rows: ReadonlyMap<string, TermRow>, at: number): void {
  for (const term of terms) {
    const status = rows.get(term.id)?.status ?? null
    // Whatever begins before its time is early, also if it does not end.
    if (term.actedAt === undefined && (status === leaves[term.action] || (at < term.earliest && status !== 'running'))) term.actedAt = at
  }
}

/** How far terms that are not due are from where they should be, ms by the clock of the daemon; `undefined` for one that was acted on. */
export function driftOf(term: Term, rows: ReadonlyMap<string, TermRow>, offsetMs: number): number | undefined {
  const row = rows.get(term.id)
  if (row?.status !== 'running' || row.expires_at === null) return undefined
  const due = row.expires_at - offsetMs
  return due < term.earliest ? due - term.earliest : Math.max(0, due - term.latest)
}
