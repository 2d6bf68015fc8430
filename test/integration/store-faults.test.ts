/** SQLite on disks that are full, fail or lie: refused in words, never half, and nothing acknowledged that is not there. */
import assert from 'node:assert/strict'
import { copyFile, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import Sqlite from 'better-sqlite3'
import { mountMemory } from '../../chaos/faults/mounts.ts'
import { need } from '../../chaos/faults/need.ts'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { type RunResult, runAny } from '../../packages/server/src/lib/subprocess.ts'
import { migrations } from '../../packages/server/src/store/migrate.ts'
import { addAccount, openTestStore } from '../support/store.ts'

const writer = fileURLToPath(new URL('../support/store-writer.ts', import.meta.url))

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'store-faults-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Runs the writer with a fault at one system call of its main thread, which is where SQLite runs. */
function write(path: string, transactions: number, fault: string): Promise<RunResult> {
  const call = /^[a-z0-9]+/.exec(fault)?.[0]
  const node = [process.execPath, '--conditions=source', '--disable-warning=ExperimentalWarning', writer, path, String(transactions)]
  return runAny(['strace', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${fault}`, ...node], { timeoutMs: 60_000 })
}

/** Ids that the writer was told are stored. */
const acknowledged = ({ stdout }: RunResult) => [...stdout.matchAll(/^acknowledged \d+ (\S+)$/gm)].map((match) => match[1])

function accountsOf(path: string): unknown[] {
  const db = new Sqlite(path)
  try {
    assert.equal(db.pragma('integrity_check', { simple: true }), 'ok')
    return db.prepare('select id from accounts').pluck().all()
  } finally {
    db.close()
  }
}

test('a full disk is told as such, nothing half is stored, and room alone mends it', async (t) => {
  const memory = await mountMemory(await mkdtemp(join(tmpdir(), 'store-faults-')), 4)
  t.after(() => memory.end())
  const path = join(memory.path, 'alcove.db')
  const store = await openTestStore(`sqlite:${path}`)
  const filler = join(memory.path, 'filler')
  await writeFile(filler, Buffer.alloc(8 * 1024 ** 2)).catch(() => {})
  let stored = 0
  const fill = async () => {
    for (;;) {
      await store.transaction(async (tx) => {
        for (let index = 0; index < 50; index++) await addAccount(tx)
      })
      stored += 50
    }
  }
  await assert.rejects(fill, (error) => error instanceof AlcoveError && error.code === 'storage_full')
  assert.equal((await store.db.selectFrom('accounts').select('id').execute()).length, stored, 'reads go on, and the refused transaction left nothing')
  await rm(filler)
  await store.transaction((tx) => addAccount(tx))
  assert.equal((await store.db.selectFrom('accounts').select('id').execute()).length, stored + 1)
  await store.close()
})

test('an fsync that fails ends the process: nothing is acknowledged after it, and the next start goes on', async (t) => {
  await need('strace')
  const path = join(await scratch(t), 'alcove.db')
  assert.equal((await write(path, 1, 'fsync:error=EIO:when=9999')).exitCode, 0)
  const before = accountsOf(path)
  for (const when of ['1+', '2+', '4+']) {
    const result = await write(path, 10, `fsync:error=EIO:when=${when}`)
    assert.equal(result.signal ?? result.exitCode, 'SIGKILL', result.stderr)
    assert.match(result.stderr, /could not be made durable/)
    const ids = acknowledged(result)
    assert.ok(ids.length < 10)
    const there = accountsOf(path)
    for (const id of [...before, ...ids]) assert.ok(there.includes(id), `${id} was acknowledged`)
  }
  assert.equal(acknowledged(await write(path, 3, 'fsync:error=EIO:when=9999')).length, 3)
})

test('a migration that is killed at any of its writes is done by the next start', async (t) => {
  await need('strace')
  const directory = await scratch(t)
  let kills = 0
  for (let when = 1; ; when += 5) {
    const path = join(directory, `${when}.db`)
    const result = await write(path, 0, `pwrite64:signal=KILL:when=${when}`)
    if (result.exitCode === 0) break
    kills++
    assert.equal(result.signal, 'SIGKILL', result.stderr)
    const store = await openTestStore(`sqlite:${path}`)
    await store.transaction((tx) => addAccount(tx))
    await store.close()
    assert.equal(accountsOf(path).length, 1)
    const db = new Sqlite(path, { readonly: true })
    assert.equal(db.prepare('select max(version) from schema_migrations').pluck().get(), migrations.length)
    db.close()
  }
  assert.ok(kills >= 5, `${kills} kills`)
})

test('a damaged database is refused at the start and left as it is', async (t) => {
  const directory = await scratch(t)
  const whole = join(directory, 'whole.db')
  const store = await openTestStore(`sqlite:${whole}`)
  for (let index = 0; index < 300; index++) await addAccount(store.db)
  await store.close()
  const pages = (await stat(whole)).size / 4096
  // The head of the file, the schema, and a page in the middle.
  for (const page of [0, Math.floor(pages / 2), pages - 1]) {
    const path = join(directory, `damaged-${page}.db`)
    await copyFile(whole, path)
    const file = await open(path, 'r+')
    await file.write(Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096)
    await file.close()
    await assert.rejects(openTestStore(`sqlite:${path}`), (error) => error instanceof AlcoveError && /is damaged .*Restore a backup/.test(error.message))
    assert.equal((await stat(path)).size, pages * 4096)
  }
})

test('a file that a process holds for less than five seconds is waited for', async (t) => {
  const path = join(await scratch(t), 'alcove.db')
  const store = await openTestStore(`sqlite:${path}`)
  t.after(() => store.close())
  const other = new Sqlite(path)
  t.after(() => other.close())
  other.exec('begin immediate')
  const waiting = store.transaction((tx) => addAccount(tx))
  // As long as a long transaction of another process lasts; the outcome does not depend on it.
  setTimeout(() => other.exec('commit'), 1500)
  const id = await waiting
  assert.ok(accountsOf(path).includes(id))
})
