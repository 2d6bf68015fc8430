/** A daemon as a real process with a data directory of its own, for tests from end to end; and the proof that nothing of it stays. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { Alcove, type Workspaces } from '../../packages/sdk/src/index.ts'
import { type RunResult, run, runAny } from '../../packages/server/src/lib/subprocess.ts'
import { confining } from './confining.ts'
import { createDaemonProcess, type DaemonFiles, type DaemonOptions, keepAccel, plainEnvironment, program, writeDaemonFiles } from './daemon-process.ts'
import { startRelay } from './daemon-relay.ts'
import { hostTraces, workspaceTraces } from './daemon-traces.ts'
import { eventually } from './vmm.ts'

/** Credentials of an account. */
export interface Key {
  readonly clientId: string
  readonly clientSecret: string
}

/** A daemon under test. */
export interface Daemon {
  /** Address as this process reaches it; the same after a restart. */
  readonly url: string
  readonly files: DaemonFiles
  readonly dataDir: string
  readonly imageCache: string
  readonly installId: string
  /** First key, of the account `default`. */
  readonly firstKey: Key
  /** Calls with the first key. Every VM that a call starts is checked for its confinement (S10). */
  readonly workspaces: Workspaces
  pid(): number
  exitCode(): number | null
  /** Lines of its log, of all its lives. */
  log(): readonly string[]
  /** A key of an account, made by `alcove key create` while the daemon runs. */
  key(account: string, plan?: string): Promise<Key>
  /** Calls with a key; with `maxRetries` 0 every failure is seen as it is. */
  client(key?: Key, options?: { readonly maxRetries?: number; readonly fetch?: typeof fetch }): Workspaces
  /** Runs `bin/alcove` with the first key. */
  alcove(args: readonly string[], timeoutMs?: number): Promise<RunResult>
  /** Ends it with no chance to tidy up. */
  kill9(): Promise<void>
  /** Ends it by SIGTERM. */
  end(): Promise<void>
  /** Starts it again, after SIGTERM if it runs. */
  restart(): Promise<void>
  /** What workspaces have on the host. */
  traces(): Promise<string[]>
}

/** What the end of a daemon is tied to, such as the context of a test. */
export interface Owner {
  after(fn: () => Promise<void>): void
}

/** Has one daemon for all tests of a file. The function that is returned gives it to each test. */
export function sharedDaemon(options: DaemonOptions | (() => Promise<DaemonOptions>) = {}): () => Daemon {
  let daemon: Daemon | undefined
  const ends: (() => Promise<void>)[] = []
  before(async () => {
    const owner = { after: (fn: () => Promise<void>) => void ends.push(fn) }
    daemon = await startDaemon(owner, typeof options === 'function' ? await options() : options)
  })
  after(async () => {
    for (const end of ends) await end()
  })
  return () => daemon ?? assert.fail('the daemon did not start')
}

/** Starts a daemon. After the test every workspace is deleted, the host cleaned, and nothing of the installation may be left on it. */
export async function startDaemon(t: Owner, options: DaemonOptions = {}): Promise<Daemon> {
  const base = await mkdtemp('/tmp/alcove-e2e-')
  const files = await writeDaemonFiles(base, options)
  const { dataDir } = files
  const log: string[] = []
  const process = createDaemonProcess(files, options, log)
  let daemon: Daemon | undefined
  let endRelay = async () => {}
  t.after(async () => {
    try {
      if (daemon) await leaveNothing(daemon, process.isAlive, options)
    } finally {
      await process.end('SIGKILL')
      await endRelay()
      await rm(base, { recursive: true, force: true })
      await options.ended?.()
    }
  })

  const { url: ownUrl, installId } = await process.start()
  const relay = options.lab && (await startRelay(options.lab, base, Number(new URL(ownUrl).port)))
  if (relay) endRelay = relay.end
  const url = relay?.url ?? ownUrl
  const firstKey = JSON.parse(await readFile(join(dataDir, 'credentials.json'), 'utf8')) as Key
  const { clientId, clientSecret } = firstKey
  const env = { ...plainEnvironment(), ALCOVE_URL: url, ALCOVE_CLIENT_ID: clientId, ALCOVE_CLIENT_SECRET: clientSecret }
  const client: Daemon['client'] = (key = firstKey, more = {}) =>
    confining(new Alcove({ clientId: key.clientId, clientSecret: key.clientSecret, baseUrl: url, ...more }).workspaces, dataDir)
  const running: Daemon = {
    ...{
      url,
      files,
      dataDir,
      imageCache: files.imageCache,
      installId,
      firstKey,
      client,
      workspaces: client(),
      pid: process.pid,
      exitCode: process.exitCode,
      log: () => log,
    },
    async key(account, plan) {
      const flags = ['--data-dir', dataDir, '--config', files.config, '--account', account, ...(plan === undefined ? [] : ['--plan', plan])]
      return JSON.parse(await run([program, 'key', 'create', ...flags, '--json'], { env }))
    },
    alcove: (args, timeoutMs = 60_000) => runAny([program, ...args], { env, timeoutMs }),
    kill9: () => process.end('SIGKILL'),
    end: () => process.end('SIGTERM'),
    async restart() {
      await process.end('SIGTERM')
      await process.start()
    },
    traces: () => workspaceTraces({ installId, dataDir }),
  }
  daemon = running
  return running
}

/** Deletes every workspace of every account, ends the daemon, cleans the host, and looks. */
async function leaveNothing(daemon: Daemon, isAlive: () => boolean, { lab, artifacts }: DaemonOptions): Promise<void> {
  const { installId, dataDir, files } = daemon
  if (!isAlive()) await daemon.restart()
  for (const key of await everyKey(daemon)) {
    const workspaces = daemon.client(key)
    const ids: string[] = []
    for await (const { id } of workspaces.listAll()) ids.push(id)
    await Promise.all(ids.map((id) => workspaces.delete(id)))
  }
  await eventually('nothing of a workspace is left', async () => (await daemon.traces()).length === 0).catch(async () => {
    assert.deepEqual(await daemon.traces(), [], `nothing of a workspace is left; the daemon's log:\n${daemon.log().slice(-30).join('\n')}`)
  })
  if (artifacts === undefined) await keepAccel(files)
  await daemon.end()
  const clean = [program, 'host', 'clean', '--data-dir', dataDir, '--config', files.config, '--artifacts', files.artifacts] as const
  await run(lab ? [...lab.enter(lab.hostNs), ...clean] : clean, { env: plainEnvironment() })
  assert.deepEqual(await hostTraces({ installId, dataDir, lab }), [], 'nothing of the installation is left')
}

/** A new key for each account that was made. */
async function everyKey(daemon: Daemon): Promise<Key[]> {
  const { default: Sqlite } = await import('better-sqlite3')
  const db = new Sqlite(join(daemon.dataDir, 'alcove.db'), { readonly: true })
  try {
    const names = db.prepare('select name from accounts').pluck().all() as string[]
    return await Promise.all(names.map((name) => daemon.key(name)))
  } finally {
    db.close()
  }
}
