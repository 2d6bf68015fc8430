import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { takeDaemonLock } from './daemon-lock.ts'
import { systemClock } from './lib/clock.ts'
import { run } from './lib/subprocess.ts'

const another = `
import Sqlite from 'better-sqlite3'
const db = new Sqlite(process.argv[1], { timeout: 0 })
try { db.exec('begin exclusive'); console.log('taken') } catch (error) { console.log(error.code) }`

test('the lock is held until it is released, also when nobody keeps what releases it', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'alcove-lock-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  const tryLock = () => run([process.execPath, '--input-type=module', '-e', another, join(dataDir, 'lock.db')], { cwd: import.meta.dirname })

  const release = new WeakRef(await takeDaemonLock(dataDir, systemClock))
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  for (let round = 0; round < 5; round++) {
    collectGarbage()
    await new Promise(setImmediate)
  }
  assert.equal(await tryLock(), 'SQLITE_BUSY\n')
  release.deref()?.()
  assert.equal(await tryLock(), 'taken\n')
})
