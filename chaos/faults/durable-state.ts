/** What must hold on a disk after a power cut: nothing torn, nothing half, and all that was acknowledged. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { imageDigest } from '../../packages/server/src/image/digest.ts'

/** One request and when it was sent and answered, in writes to the disk. */
export interface Deed {
  readonly verb: 'create' | 'stop' | 'start' | 'delete'
  readonly id: string
  readonly begunAt: number
  readonly ackedAt: number
}

/** When the daemon was started, first said that it serves and was killed, in writes to the disk; and all deeds in order, one at a time. */
export interface Story {
  readonly beganAt: number
  readonly endedAt: number
  readonly servingAt: number
  readonly deeds: readonly Deed[]
}

/** Status that an acknowledged deed leaves. */
const statusAfter = { create: 'running', start: 'running', stop: 'stopped' } as const

interface Row {
  readonly id: string
  readonly status: string
  readonly boot_id: string | null
}

/** What is wrong in the data directory `path` after a cut behind `count` writes, one line each. */
export async function judgeDisk(path: string, count: number, story: Story): Promise<string[]> {
  const database = join(path, 'alcove.db')
  const isFirst = count < story.servingAt
  if (!(await exists(database))) return isFirst ? [] : ['the database is missing']
  const { rows, wrong } = judgeDatabase(database, isFirst)
  wrong.push(...judgeDeeds(rows, count, story.deeds))
  wrong.push(...(await judgeFiles(path, rows, isFirst)))
  return wrong
}

function judgeDatabase(path: string, isFirst: boolean): { rows: readonly Row[]; wrong: string[] } {
  const wrong: string[] = []
  // Opened for writing: the log is replayed as at a start.
  const db = new Sqlite(path)
  try {
    const tables = db.prepare(`select name from sqlite_schema where type = 'table'`).pluck().all()
    for (const line of db.pragma('integrity_check') as { integrity_check: string }[]) if (line.integrity_check !== 'ok') wrong.push(line.integrity_check)
    for (const line of db.pragma('foreign_key_check') as unknown[]) wrong.push(`foreign key: ${JSON.stringify(line)}`)
    if (!tables.includes('workspaces')) return { rows: [], wrong: isFirst ? wrong : [...wrong, 'there is no schema'] }
    for (const [what, sql] of halves) for (const id of db.prepare(sql).pluck().all()) wrong.push(`half an operation: ${what}: ${id}`)
    return { rows: db.prepare('select id, status, boot_id from workspaces').all() as Row[], wrong }
  } catch (error) {
    return { rows: [], wrong: [...wrong, `the database cannot be read: ${error}`] }
  } finally {
    db.close()
  }
}

/** What one transaction writes together. */
const halves: readonly (readonly [string, string])[] = [
  ['a workspace without an event', 'select id from workspaces where id not in (select workspace_id from events)'],
  [
    'a status that no event tells',
    `select w.id from workspaces w where w.status <> (
      select to_status from events e where e.workspace_id = w.id and e.type = 'status' order by seq desc limit 1)`,
  ],
  [
    'an account whose total is not its number of workspaces',
    `
    select account_id from workspace_totals t where total <> (select count(*) from workspaces w where w.account_id = t.account_id)`,
  ],
  [
    'an address of a workspace that is not there',
    'select workspace_id from slots where workspace_id is not null and workspace_id not in (select id from workspaces)',
  ],
]

/** A deed that was acknowledged before the cut is done, one that was begun after it is not. */
function judgeDeeds(rows: readonly Row[], count: number, deeds: readonly Deed[]): string[] {
  const wrong: string[] = []
  const statuses = new Map(rows.map(({ id, status }) => [id, status]))
  for (const id of new Set(deeds.map((deed) => deed.id))) {
    const begun = deeds.filter((deed) => deed.id === id && deed.begunAt <= count)
    const last = begun.at(-1)
    const status = statuses.get(id)
    if (!last) {
      if (status !== undefined) wrong.push(`${id} is there before anybody asked for it`)
      continue
    }
    const isSettled = last.ackedAt <= count
    const before = begun.at(-2)
    if (last.verb === 'delete') {
      if (isSettled && status !== undefined) wrong.push(`${id} is ${status}, its delete was acknowledged`)
    } else if (isSettled && status !== statusAfter[last.verb]) wrong.push(`${id} is ${status ?? 'gone'}, its ${last.verb} was acknowledged`)
    else if (!isSettled && before && status === undefined) wrong.push(`${id} is gone, its ${before.verb} was acknowledged`)
  }
  return wrong
}

/** Files that say something: old or new content, never empty, never torn. */
async function judgeFiles(path: string, rows: readonly Row[], isFirst: boolean): Promise<string[]> {
  const wrong: string[] = []
  const json = async (file: string, mayMiss = false): Promise<Record<string, unknown> | undefined> => {
    const text = await readFile(join(path, file), 'utf8').catch(() => undefined)
    try {
      if (text !== undefined) return JSON.parse(text)
      if (!mayMiss) wrong.push(`${file} is missing`)
    } catch {
      wrong.push(`${file} is torn: ${text?.length} characters`)
    }
    return undefined
  }
  await json('credentials.json', isFirst)
  for (const id of await names(join(path, 'vm'))) await json(`vm/${id}/handle.json`, true)
  for (const { id, boot_id } of rows.filter(({ status }) => status === 'running')) {
    const record = (await json(`vm/${id}/handle.json`)) as { handle?: { bootId?: string } | null } | undefined
    if (record && record.handle?.bootId !== boot_id) wrong.push(`${id} runs boot ${boot_id}, its record is of ${record.handle?.bootId}`)
    if (!((await sizeOf(join(path, 'vm', id, 'disk.ext4'))) ?? 0)) wrong.push(`${id} runs and has no disk`)
  }
  for (const name of await names(join(path, 'images/catalogue'))) if (name.endsWith('.json')) await json(`images/catalogue/${name}`)
  return [...wrong, ...(await judgeImages(path))]
}

/** Images and boot files: under their name they are whole. */
async function judgeImages(path: string): Promise<string[]> {
  const wrong: string[] = []
  for (const name of await names(join(path, 'images/objects'))) {
    if (name.startsWith('.')) continue
    if ((await imageDigest(join(path, 'images/objects', name)).catch(String)) !== `sha256:${name}`) wrong.push(`the image object ${name} is torn`)
  }
  for (const name of await names(join(path, 'boot'))) {
    if (!name.endsWith('.partial') && !(await sizeOf(join(path, 'boot', name)))) wrong.push(`boot/${name} is empty`)
  }
  return wrong
}

async function names(path: string): Promise<string[]> {
  return readdir(path).catch(() => [])
}

async function exists(path: string): Promise<boolean> {
  return (await sizeOf(path)) !== undefined
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size
}
