/** T18: an older backup of the database is put back while VMs run that it does not know: none ends, none is mistaken for another. */
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { runAny } from '../../packages/server/src/lib/subprocess.ts'
import { installNames } from '../../packages/server/src/network/names.ts'
import { workspacePaths } from '../../packages/server/src/runner/paths.ts'
import { findRecord } from '../../packages/server/src/runner/record.ts'
import { findProcess } from '../../packages/server/src/vmm/qemu/proc.ts'
import type { Answer, Api } from '../api.ts'
import { type Context, type Figure, type Result, result } from '../figure.ts'
import { smallest, type World } from '../world.ts'

/** Step that looks whether a slot is in use: without it a new workspace takes over the address of a VM that is not known. */
const brokenStep = 'boot.slot'

export const figure: Figure = {
  id: 'T18',
  title: 'an older backup of the database is put back (count: VMs it does not know): 0 kills, all listed, all filtered, no address given away twice',
  ci: { count: 5, known: 15, seconds: 95 },
  full: { count: 5, known: 15, seconds: 200 },
  run,
}

async function run(context: Context): Promise<Result> {
  await using world = await context.world()
  const api = world.tenants[0] ?? raise('no tenant')
  const backup = join(world.files.base, 'backup.db')
  const known: string[] = []
  for (let index = 0; index < (context.size.known ?? 5); index++) known.push(await create(api, index % 3 === 0 ? 'permanent' : 'temporary'))
  const [restarted = '', restartedToo = '', started = '', deleted = ''] = known
  await must(api, 'POST', `/workspace/${started}/stop`)
  await backUp(world.database, backup)

  // What happens after it: new workspaces, new boots of known ones, and an end.
  const unknown: string[] = []
  for (let index = 0; index < context.count; index++) unknown.push(await create(api, 'temporary'))
  for (const id of [restarted, restartedToo]) await must(api, 'POST', `/workspace/${id}/restart`)
  await must(api, 'POST', `/workspace/${started}/start`)
  await must(api, 'DELETE', `/workspace/${deleted}`)
  await world.converge()
  const newer = [restarted, restartedToo, started]
  const living = [...known.filter((id) => id !== deleted), ...unknown]
  const before = await look(world, living)
  for (const [id, { process, rules, tap }] of before) if (process === 'none' || !rules || !tap) throw new Error(`nothing is seen of ${id}`)
  await world.kill9()
  await putBack(backup, world.database)
  await world.start()
  context.log(`the backup is back: ${unknown.length} unknown workspaces, ${newer.length} unknown boots`)

  const until = performance.now() + (context.size.seconds ?? 0) * 1000
  const made: string[] = []
  for (let index = 0; index <= context.count; index++) made.push(await create(api, 'temporary'))
  const violations = differences(before, await look(world, living)).map((line) => `after new workspaces: ${line}`)
  violations.push(...(await sameSlots(world, [...made, ...living])))
  while (performance.now() < until) {
    await systemClock.sleep(5000)
    violations.push(...differences(before, await look(world, living)))
  }
  for (const id of known) if ((await api.send('GET', `/workspace/${id}`)).kind !== 'answered') violations.push(`${id} is not answered for`)
  violations.push(...(await listed(world, unknown, newer, deleted)))

  const control = await takeOver(context, world, backup, before, living)
  return result({
    counts: { vms: living.length, unknown: unknown.length, unknown_boots: newer.length, new: made.length, seconds: context.size.seconds ?? 0 },
    violations: [...new Set(violations)],
    control,
  })
}

function raise(message: string): never {
  throw new Error(message)
}

async function must(api: Api, method: string, path: string, body?: unknown): Promise<Extract<Answer, { kind: 'answered' }>> {
  const answer = await api.send(method, path, body === undefined ? {} : { body })
  if (answer.kind === 'answered' && answer.status < 300) return answer
  throw new Error(`${method} ${path}: ${JSON.stringify(answer).slice(0, 300)}`)
}

async function create(api: Api, mode: string): Promise<string> {
  const { body } = await must(api, 'POST', '/workspace', { ...smallest, mode })
  return body.workspace?.status === 'running' ? body.workspace.id : raise(`not running: ${JSON.stringify(body)}`)
}

async function backUp(database: string, path: string): Promise<void> {
  const db = new Sqlite(database, { readonly: true })
  await db.backup(path)
  db.close()
}

/** As an operator would do it: the daemon is dead, and what SQLite keeps beside the file goes with it. */
async function putBack(backup: string, database: string): Promise<void> {
  for (const suffix of ['-wal', '-shm']) await rm(`${database}${suffix}`, { force: true })
  await copyFile(backup, database)
}

/** What is on the host of a VM, by workspace. */
type Seen = ReadonlyMap<string, { readonly process: string; readonly slot: number; readonly rules: string; readonly tap: string }>

/** Looks at processes, rules and taps of workspaces, by their marks; nothing is asked of the daemon. */
async function look({ dataDir, installId }: World, ids: readonly string[]): Promise<Seen> {
  const inside = ['nsenter', `--net=${installNames(installId).namespacePath}`] as const
  const [rules, links] = await Promise.all([runAny([...inside, 'nft', 'list', 'ruleset']), runAny([...inside, 'ip', '-o', 'link', 'show'])])
  const seen = ids.map(async (id) => {
    const record = await findRecord(workspacePaths(dataDir, id).record).catch(() => undefined)
    const handle = record?.handle
    const found = handle && (await findProcess(handle.pid))
    const process = found?.startTicks === handle?.startTicks && found ? `pid ${found.pid} start ${found.startTicks}` : 'none'
    const own = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([part]) => part).toSorted()
    return [
      id,
      {
        process,
        slot: record?.spec.slot ?? 0,
        rules: own(rules.stdout, new RegExp(`"vm\\d+"[^,}]* comment "[^"]*:${id}:[^"]*"`, 'g')).join('; '),
        tap: own(links.stdout, new RegExp(`vm\\d+: <[A-Z,_]*>[^\\n]*alias [^ ]*:${id}:[^ \\n]*`, 'g')).join('; '),
      },
    ] as const
  })
  return new Map(await Promise.all(seen))
}

function differences(before: Seen, now: Seen): string[] {
  return [...before].flatMap(([id, was]) => {
    const is = now.get(id)
    const parts = (['process', 'rules', 'tap'] as const).filter((part) => is?.[part] !== was[part])
    return parts.map((part) => `${part} of ${id} was ${was[part] || 'none'}, is ${is?.[part] || 'none'}`)
  })
}

/** VMs that live in the same slot: they would have the same address and the same user. */
async function sameSlots(world: World, ids: readonly string[]): Promise<string[]> {
  const bySlot = new Map<number, string[]>()
  for (const [id, { process, slot }] of await look(world, ids)) if (process !== 'none') bySlot.set(slot, [...(bySlot.get(slot) ?? []), id])
  return [...bySlot].flatMap(([slot, holders]) => (holders.length > 1 ? [`slot ${slot} is that of ${holders.join(' and ')}`] : []))
}

/** The log and the auditor name what is not known; of what is known the auditor has nothing to say. */
async function listed(world: World, unknown: readonly string[], newer: readonly string[], deleted: string): Promise<string[]> {
  const { findings } = await world.audit()
  const lines = findings.map((finding) => JSON.stringify(finding))
  const told = world.log.filter((line) => line.includes('never heard') || line.includes('a later virtual machine'))
  const missing = [...unknown, ...newer].flatMap((id) => [
    ...(lines.some((line) => line.includes('"N1"') && line.includes(id)) ? [] : [`the auditor does not name the process of ${id}`]),
    ...(told.some((line) => line.includes(id)) ? [] : [`the log does not name ${id}`]),
  ])
  // What was deleted after the backup is back without its disk, and the auditor says so.
  const strange = lines.filter((line) => ![...unknown, ...newer, deleted].some((id) => line.includes(id)))
  return [...missing, ...strange.map((line) => `the auditor says besides: ${line.slice(0, 300)}`)]
}

/** The control: the backup is put back once more, and new workspaces are made without the look into the slot. */
async function takeOver(context: Context, world: World, backup: string, before: Seen, living: readonly string[]) {
  await world.kill9()
  await putBack(backup, world.database)
  await world.start({ ALCOVE_FAILPOINTS: `${brokenStep}=skip` })
  const api = world.tenants[0] ?? raise('no tenant')
  for (let index = 0; index < context.count; index++) await api.send('POST', '/workspace', { body: smallest })
  const found = differences(before, await look(world, living))
  return { name: `without ${brokenStep}, ${found.length} differences`, failedAsItMust: found.length > 0 }
}
