/**
 * Requests with an idempotency key. The key is stored with the id of the operation that the request is to be, before anything is done; the
 * transaction that does it stores the operation under that id, which can be stored once only. So whatever dies in between, a request that
 * is sent again finds out whether it was done, waits for it if it is under way, and is answered as the first one was. A request that
 * failed did nothing that counts: its key is free again.
 */
import { limits } from '@alcove/contract'
import { fail } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import * as idempotency from '../store/idempotency.ts'
import * as operations from '../store/operations.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'

/** Time a key is remembered, ms. */
const keyLifeMs = 24 * 3_600_000
/** Pause between two looks at an operation that another part of the server finishes, ms. */
const lookMs = 50

/** A request as it is known when it comes again. */
export interface KeyedRequest {
  readonly accountId: string
  /** API operation. */
  readonly operation: string
  readonly key: string
  /** SHA-256 of what was asked for, hex. */
  readonly requestHash: string
}

/** How a request is done: as this operation. `doneWith`: it was done already, with this workspace; there is only the answer to be given. */
export interface Execution {
  readonly operationId: string
  readonly doneWith?: string | undefined
}

/** An answer as it is stored. */
export interface Answer {
  readonly status: number
  /** Object that the answer is printed from. */
  readonly body: unknown
}

/** An answer, and the operation that it is the answer to. */
export interface GivenAnswer extends Answer {
  readonly operationId: string
  /** Whether the request had come before. */
  readonly isReplay: boolean
}

/** Does each keyed request once. */
export interface ExactlyOnce {
  /** Answers of `execute` are stored; one that was stored is returned as it is. @throws idempotency_mismatch rate_limited */
  run(request: KeyedRequest, execute: (execution: Execution) => Promise<Answer>): Promise<GivenAnswer>
}

/** Makes it. */
export function createExactlyOnce(control: Pick<Control, 'store' | 'clock' | 'times' | 'log'>): ExactlyOnce {
  const { store, clock, times, log } = control
  const flying = new Map<string, { readonly requestHash: string; readonly answer: Promise<GivenAnswer> }>()

  /** Stores the key, or returns what was stored with it. */
  async function claim({
    accountId,
    operation,
    key,
    requestHash,
  }: KeyedRequest): Promise<{ row: Omit<idempotency.IdempotencyRow, 'created_at' | 'expires_at'>; isNew: boolean }> {
    return store.transaction(async (tx) => {
      const now = clock.now()
      const id = { account_id: accountId, operation, key }
      const found = await idempotency.find(tx, id)
      if (found && found.expires_at > now) return { row: found, isNew: false }
      if (found) await idempotency.purge(tx, now)
      if ((await idempotency.count(tx, accountId)) >= limits.idempotencyKeys) {
        fail('rate_limited', { message: `The account has used ${limits.idempotencyKeys} idempotency keys within 24 hours; wait, or leave out the key.` })
      }
      const row = { ...id, request_hash: requestHash, operation_id: newId('op'), created_at: now, expires_at: now + keyLifeMs }
      // On PostgreSQL another request may have been faster.
      if (!(await idempotency.insert(tx, row))) fail('conflict', { message: 'A request with this idempotency key came at the same moment; send it again.' })
      return { row: { ...row, answer_status: null, answer: null }, isNew: true }
    })
  }

  /** Waits for an operation of an earlier daemon, which the recovery finishes, as long as an answer may take. */
  async function settled(operationId: string): Promise<operations.OperationRow | undefined> {
    const giveUpAt = clock.monotonic() + times.answerBudgetMs
    for (;;) {
      const operation = await operations.find(store.db, operationId)
      if (operation?.status !== 'running' || clock.monotonic() > giveUpAt) return operation
      await clock.sleep(lookMs)
    }
  }

  async function perform(request: KeyedRequest, execute: (execution: Execution) => Promise<Answer>): Promise<GivenAnswer> {
    const { row, isNew } = await claim(request)
    if (row.request_hash !== request.requestHash) mismatch(request)
    const operationId = row.operation_id
    if (row.answer_status !== null && row.answer !== null) return { status: row.answer_status, body: JSON.parse(row.answer), operationId, isReplay: true }
    const operation = isNew ? undefined : await settled(operationId)
    if (operation && (await wasInVain(operation))) {
      await store.transaction((tx) => idempotency.release(tx, operationId))
      return perform(request, execute)
    }
    return conclude(operationId, operation, execute)
  }

  async function conclude(operationId: string, operation: operations.OperationRow | undefined, execute: (execution: Execution) => Promise<Answer>) {
    let answer: Answer
    try {
      answer = await execute({ operationId, doneWith: operation?.workspace_id })
    } catch (error) {
      await store
        .transaction((tx) => idempotency.release(tx, operationId))
        .catch((failure) =>
          log.error({ err: failure, operationId }, 'an idempotency key could not be freed; it is held against the operation when it comes again'),
        )
      throw error
    }
    // What was done stays done, also where its answer cannot be stored: it is found by its operation then.
    await store
      .transaction((tx) => idempotency.storeAnswer(tx, operationId, answer.status, JSON.stringify(answer.body)))
      .catch((error) => log.error({ err: error, operationId }, 'an answer could not be stored'))
    return { ...answer, operationId, isReplay: operation !== undefined }
  }

  /** Whether an operation ended without what was asked for, and may be done again. A failed create that left its workspace is not made twice. */
  async function wasInVain({ verb, status, workspace_id }: operations.OperationRow): Promise<boolean> {
    if (status !== 'failed' && status !== 'cancelled') return false
    return verb !== 'create' || (await workspaces.findAny(store.db, workspace_id)) === undefined
  }

  return {
    async run(request, execute) {
      const name = JSON.stringify([request.accountId, request.operation, request.key])
      const other = flying.get(name)
      if (other) {
        if (other.requestHash !== request.requestHash) mismatch(request)
        return { ...(await other.answer), isReplay: true }
      }
      const answer = perform(request, execute)
      flying.set(name, { requestHash: request.requestHash, answer })
      try {
        return await answer
      } finally {
        flying.delete(name)
      }
    },
  }
}

function mismatch({ key }: KeyedRequest): never {
  fail('idempotency_mismatch', { message: 'This idempotency key was used with another request. Use a new key for a new request.', details: { key } })
}
