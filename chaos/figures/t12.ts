/** T12: nothing is stuck. Every verb in every state does what the table says, every move ends by its deadline, and a delete succeeds from everywhere. */
import { outcomeOf, type Verb, verbOutcomes, type WorkspaceStatus, workspaceStatuses } from '@alcove/contract'
import Sqlite from 'better-sqlite3'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import type { Answer, Api } from '../api.ts'
import { auditLines } from '../audit.ts'
import { type Context, type Figure, latencyOf, type Result, result } from '../figure.ts'
import { isMoving, pastDeadline, readRows } from '../host-view.ts'
import { untilEach } from '../until.ts'
import { smallest, type World } from '../world.ts'

/** Every move hangs in a step of its own. */
const hangs = 'boot.agent=hang,shutdown.kill=hang,pause.freeze=hang,resume.thaw=hang,destroy.files=hang'
/** Time in which a verb that has nothing to wait for must have been answered, and after which one that waits is seen to wait, ms. */
const waitMs = 4000
/** Two passes of the daemon and what a boot has for its undoing, beside the deadlines, ms. */
const overdueMs = 160_000
const parallel = 4

const verbs = Object.keys(verbOutcomes) as Verb[]
/** State that a move begins in, and the verb that begins it. */
const moves: Partial<Record<WorkspaceStatus, { readonly from: WorkspaceStatus | 'none'; readonly verb: string }>> = {
  creating: { from: 'none', verb: 'create' },
  starting: { from: 'stopped', verb: 'start' },
  pausing: { from: 'running', verb: 'pause' },
  resuming: { from: 'paused', verb: 'resume' },
  stopping: { from: 'running', verb: 'stop' },
  deleting: { from: 'stopped', verb: 'delete' },
}

export const figure: Figure = {
  id: 'T12',
  title: 'nothing stuck: every verb in every state as the table says, no row past its deadline, delete succeeds from everywhere',
  ci: { count: 1 },
  full: { count: 5 },
  run,
}

interface Cell {
  readonly status: WorkspaceStatus
  readonly verb: Verb
  id: string
}

async function run(context: Context): Promise<Result> {
  const counts = { cells: 0, waits: 0, refused: 0, done: 0, settled: 0, deleted: 0 }
  const settled: number[] = []
  const violations: string[] = []
  let audit: Result['audit']
  let control = false
  for (let round = 0; round < context.count; round++) {
    await using world = await context.world({ config: { bootTimeoutSeconds: 15, stopGraceSeconds: 1 } })
    const cells = workspaceStatuses.flatMap((status) => verbs.map((verb): Cell => ({ status, verb, id: '' })))
    await bring(world, cells)
    context.log(`${cells.length} cells are ready`)
    const stable = cells.filter(({ status }) => !isMoving(status))
    await each(stable, (cell) => tryCell(world, cell, counts, violations))
    await restart(world, hangs)
    const moving = cells.filter(({ status }) => isMoving(status))
    const hung = await hang(world, moving)
    violations.push(...hung)
    context.log(`${moving.length} moves hang, ${violations.length} violations`)
    await Promise.all(moving.map((cell) => tryCell(world, cell, counts, violations)))
    const began = performance.now()
    const ids = readRows(world.database).map(({ id }) => id)
    const { missing } = await untilEach(
      ids,
      overdueMs,
      1000,
      async () => new Set(pastOrMoving(world)),
      (stuck, id) => !stuck.has(id),
    )
    settled.push(performance.now() - began)
    violations.push(...missing.map((id) => `${id} has not come to rest by its deadline`))
    counts.settled += ids.length - missing.length
    await restart(world)
    violations.push(...(await world.converge()).left)
    control = await detects(world)
    violations.push(...(await deleteAll(world, counts)))
    audit = auditLines(await world.audit())
  }
  return result({
    counts,
    latencies: { settled: latencyOf(settled) },
    violations,
    control: { name: 'a row whose deadline was put an hour back', failedAsItMust: control },
    ...(audit === undefined ? {} : { audit }),
  })
}

const apiOf = (world: World) => world.tenants[0] as Api

/** Makes the state of each cell that stays, and for moves the state that they begin in. */
async function bring(world: World, cells: readonly Cell[]): Promise<void> {
  const api = apiOf(world)
  const must = async (method: string, path: string, body?: unknown) => {
    const answer = await api.send(method, path, body ? { body } : {})
    if (answer.kind === 'unanswered' || answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer).slice(0, 300)}`)
    return answer.body.workspace?.id ?? ''
  }
  await each(
    cells.filter(({ status }) => status !== 'creating'),
    async (cell) => {
      const from = moves[cell.status]?.from ?? cell.status
      cell.id = await must('POST', '/workspace', { ...smallest, name: `${cell.status}-${cell.verb}` })
      if (from === 'stopped' || from === 'failed') await must('POST', `/workspace/${cell.id}/stop`)
      if (from === 'paused') await must('POST', `/workspace/${cell.id}/pause`)
    },
  )
  await restart(world, 'boot.launch=error')
  await each(
    cells.filter(({ status }) => status === 'failed'),
    async ({ id }) => void (await api.send('POST', `/workspace/${id}/start`)),
  )
  await restart(world)
}

/** Begins the moves; they hang. Returns what did not come about. */
async function hang(world: World, cells: readonly Cell[]): Promise<string[]> {
  const api = apiOf(world)
  for (const { status, id, verb } of cells) {
    const begun = moves[status]?.verb
    if (begun === 'create') void api.send('POST', '/workspace', { body: { ...smallest, name: `${status}-${verb}` } })
    else void (begun === 'delete' ? api.send('DELETE', `/workspace/${id}`) : api.send('POST', `/workspace/${id}/${begun}`))
  }
  const statusOf = async () => new Map((await api.list()).map((view) => [view.name, view]))
  const { missing } = await untilEach(
    cells.map(({ status, verb }) => `${status}-${verb}`),
    60_000,
    200,
    statusOf,
    (views, name) => views.get(name)?.status === name.split('-')[0],
  )
  const views = await statusOf()
  for (const cell of cells) cell.id = views.get(`${cell.status}-${cell.verb}`)?.id ?? cell.id
  return missing.map((name) => `${name}: the state was not reached, it is ${views.get(name)?.status}`)
}

/** Asks for the verb of a cell and compares what comes with the outcome of the table. */
async function tryCell(
  world: World,
  { status, verb, id }: Cell,
  counts: Record<'cells' | 'waits' | 'refused' | 'done', number>,
  violations: string[],
): Promise<void> {
  const outcome = outcomeOf(verb, status)
  // A move that hangs is waited for until the caller has enough; what acts on a workspace at rest is waited for to its end.
  const answer = await ask(apiOf(world), verb, id, isMoving(status) ? waitMs : 60_000)
  counts.cells++
  const code = answer.kind === 'answered' ? answer.status : 0
  const isDone = code >= 200 && code < 300
  const expected = outcome === 'refuses' ? code === 409 : outcome === 'done' || outcome === 'acts' ? isDone : code === 0 || (outcome === 'preempts' && isDone)
  if (expected) counts[code === 409 ? 'refused' : code === 0 ? 'waits' : 'done']++
  else violations.push(`${verb} of a workspace that is ${status} ${outcome}, but was answered with ${JSON.stringify(answer).slice(0, 300)}`)
  if (outcome === 'preempts' && verb === 'delete') {
    const now = readRows(world.database).find((row) => row.id === id)?.status
    if (now !== 'deleting') violations.push(`a delete of a workspace that is ${status} was not accepted: it is ${now}`)
  }
}

function ask(api: Api, verb: Verb, id: string, timeoutMs: number): Promise<Answer> {
  if (verb === 'delete') return api.send('DELETE', `/workspace/${id}`, { timeoutMs })
  if (verb === 'settings') return api.send('PUT', `/workspace/${id}/metadata`, { body: { metadata: { tried: 'yes' } }, timeoutMs })
  return api.send('POST', `/workspace/${id}/${verb === 'retry' ? 'provisioning/retry' : verb}`, { timeoutMs })
}

/** Rows that move, but for deletes that say that they could not be done: they are tried for ever. */
function pastOrMoving({ database }: World): string[] {
  return readRows(database).flatMap(({ id, status }) => (isMoving(status) && status !== 'deleting' ? [id] : []))
}

/** Whether a row past its deadline is noticed by what this figure, and the auditor, look with. */
async function detects(world: World): Promise<boolean> {
  const [row] = readRows(world.database).filter(({ status }) => !isMoving(status))
  await world.kill9()
  const put = (status: string, deadline: number | null) => {
    const db = new Sqlite(world.database)
    db.prepare('update workspaces set status = ?, deadline_at = ? where id = ?').run(status, deadline, row?.id)
    db.close()
  }
  put('stopping', Date.now() - 3_600_000)
  const found = pastDeadline(world.database, Date.now()).length === 1 && auditLines(await world.audit()) !== 'clean'
  put(row?.status ?? '', null)
  await world.start()
  return found && pastDeadline(world.database, Date.now()).length === 0
}

async function deleteAll(world: World, counts: { deleted: number }): Promise<string[]> {
  const api = apiOf(world)
  const wrong: string[] = []
  await each(await api.list(), async ({ id, status }) => {
    const answer = await api.send('DELETE', `/workspace/${id}`)
    if (answer.kind === 'answered' && (answer.status < 300 || answer.status === 404)) counts.deleted++
    else wrong.push(`delete of ${id}, which was ${status}: ${JSON.stringify(answer).slice(0, 300)}`)
  })
  const { left } = await world.converge()
  return [...wrong, ...left, ...readRows(world.database).map(({ id, status }) => `${id} is ${status} after all were deleted`)]
}

async function restart(world: World, failpoints?: string): Promise<void> {
  await world.kill9()
  await world.start(failpoints === undefined ? {} : { ALCOVE_FAILPOINTS: failpoints })
  // Hung moves of before go on; nothing moves here but they.
  if (failpoints === undefined) await world.converge()
  else await systemClock.sleep(500)
}

async function each<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await act(item)
    }),
  )
}
