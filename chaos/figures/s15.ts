/** S15: everything that was acknowledged and everything that was denied is in the audit chain, also when the daemon dies right after the answer. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { openToRead } from '../../packages/server/src/audit/read-database.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { verify } from '../../packages/server/src/store/audit.ts'
import type { Api } from '../api.ts'
import { auditLines } from '../audit.ts'
import { killUnder, recover } from '../blow.ts'
import { type Context, type Figure, type Result, result } from '../figure.ts'
import { compareWithAudit, Ledger } from '../ledger.ts'
import { createLoad } from '../load.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'

/** Answers after which the daemon is killed: up to this. */
const latestAnswer = 40
/** Longest time under load, where nothing is answered, ms. */
const longestLoadMs = 10_000

export const figure: Figure = {
  id: 'S15',
  title: 'audit: every acknowledged change and every denial is recorded once, also when killed right after the answer (count: kills)',
  ci: { count: 20 },
  full: { count: 500 },
  run,
}

async function run(context: Context): Promise<Result> {
  await using world = await context.world({ tenants: 4, limit: 4 })
  const ledger = new Ledger()
  world.tenants.splice(0, world.tenants.length, ...world.tenants.map((api) => ledger.listen(api)))
  const random = context.random.fork('kills')
  const load = createLoad({ world, random: context.random.fork('load') })
  const violations: string[] = []
  for (let kill = 1; kill <= context.count; kill++) {
    const blow = Promise.race([ledger.after(1 + random.int(latestAnswer)), systemClock.sleep(longestLoadMs)])
    const denied = beDenied(world, random, load.workspaces)
    await killUnder(load, world, blow)
    await denied
    const recovered = await recover(world)
    violations.push(...recovered.violations.map((line) => `kill ${kill}: ${line}`))
    if (kill % 5 === 0) context.log(`kill ${kill}: ${ledger.told.length} answers, ${violations.length} violations`)
  }
  await load.end()
  const { rows, violations: differences } = compareWithAudit(ledger.told, world.database)
  const chain = await readChain(world)
  const audit = auditLines(await world.audit())
  const kinds = countKinds(ledger)
  const unseen = ['change', ...[401, 402, 404, 412].map((status) => `denial_${status}`)].filter((kind) => !kinds[kind])
  await world.kill9()
  const tampered = await tamper(world)
  const missed = tampered.filter(({ isFound }) => !isFound).map(({ name }) => name)
  return result({
    counts: { kills: context.count, requests: load.requests, audit_rows: rows, tampered: tampered.length, ...kinds },
    violations: [
      ...[...violations, ...differences, ...world.oracle.serverErrors],
      ...(chain === undefined ? [] : [`the chain is broken: ${chain}`]),
      ...unseen.map((kind) => `no ${kind} was answered: nothing was tried`),
    ],
    control: {
      name: missed.length === 0 ? 'rows changed and removed behind its back' : `not found: ${missed.join(', ')}`,
      failedAsItMust: missed.length === 0,
    },
    audit,
  })
}

/** Asks for what is refused: with a wrong secret, of another account, and of a boot that is not. Those that the kill cuts off are not counted. */
async function beDenied(world: World, random: Random, ids: ReadonlySet<string>): Promise<void> {
  const [own, other] = random.shuffle(world.tenants) as [Api, Api]
  const id = random.pick([...ids, 'ws_none'])
  await own.send('GET', '/workspace', { headers: { 'x-client-secret': 'wrong' } })
  // One of the two is not the owner, and the boot is none of them.
  for (const api of [own, other]) await api.send('DELETE', `/workspace/${id}`, { headers: { 'if-match': '"4711"' } })
  for (const api of world.tenants) await api.send('POST', `/workspace/${id}/stop`, { headers: { 'if-match': '"4711"' } })
  await other.send('GET', '/workspace', { headers: { 'x-client-id': 'unknown' } })
}

/** Where the chain breaks, if it does. */
async function readChain({ database }: World): Promise<string | undefined> {
  const { db, close } = await openToRead(database)
  try {
    return (await verify(db)).broken?.message
  } finally {
    await close()
  }
}

function countKinds({ told }: Ledger): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const one of told) {
    const kind = one.kind === 'change' ? 'change' : `denial_${one.status}`
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/** What somebody with the file might do to it. */
const forgeries: Readonly<Record<string, string>> = {
  'another actor': `update audit set actor = 'somebody' where seq = (select max(seq) / 2 from audit)`,
  'another outcome': `update audit set outcome = 'denied' where seq = (select min(seq) from audit where outcome = 'done')`,
  'another time': 'update audit set at = at - 1 where seq = 1',
  'a row less': 'delete from audit where seq = (select max(seq) / 2 from audit)',
  'the first row less': 'delete from audit where seq = 1',
  'the last change less': `delete from audit where seq >= (select max(seq) from audit where outcome = 'done')`,
}

/** Changes the chain of a daemon that is dead in each way, and asks the auditor each time. The database is as it was afterwards. */
async function tamper(world: World): Promise<{ readonly name: string; readonly isFound: boolean }[]> {
  const kept = join(world.files.base, 'kept.db')
  change(world.database, [])
  await copyFile(world.database, kept)
  const found: { name: string; isFound: boolean }[] = []
  for (const [name, forgery] of Object.entries(forgeries)) {
    change(world.database, ['drop trigger audit_no_update', 'drop trigger audit_no_delete', forgery])
    const { findings } = await world.audit()
    found.push({ name, isFound: findings.some((finding) => (finding as { invariant?: string }).invariant === 'N14') })
    await copyFile(kept, world.database)
  }
  return found
}

/** Leaves everything in the one file. */
function change(database: string, statements: readonly string[]): void {
  const db = new Sqlite(database)
  for (const statement of statements) db.exec(statement)
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
}
