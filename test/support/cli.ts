/** The CLI as a process, run against a server that knows nothing but the contract. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ContractServer, clientId, clientSecret, type Fault, startContractServer } from './contract-server.ts'

const main = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url))

/** How a run ended. */
export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A CLI with its server and its home. */
export interface Cli {
  readonly server: ContractServer
  readonly home: string
  readonly env: Record<string, string>
  /** Runs to the end. */
  run(...args: string[]): Promise<CliResult>
  /** Starts, and gives what is needed to watch and end it. */
  start(...args: string[]): { child: ChildProcess; result: Promise<CliResult>; seen(pattern: RegExp): Promise<void> }
}

/** Starts the server and makes a home; both are gone after the test. */
export async function startCli(t: TestContext): Promise<Cli> {
  const server = await startContractServer()
  const home = await mkdtemp(join(tmpdir(), 'alcove-cli-'))
  t.after(async () => {
    await server.close()
    await rm(home, { recursive: true, force: true })
  })
  const env = { HOME: home, ALCOVE_URL: server.url, ALCOVE_CLIENT_ID: clientId, ALCOVE_CLIENT_SECRET: clientSecret }
  const start: Cli['start'] = (...args) => {
    const child = spawn(process.execPath, ['--conditions=source', main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    t.after(() => child.kill('SIGKILL'))
    let stdout = ''
    let stderr = ''
    const watchers = new Set<() => void>()
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      for (const watcher of watchers) watcher()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      for (const watcher of watchers) watcher()
    })
    const result = once(child, 'close').then(([code]) => ({ code, stdout, stderr }) as CliResult)
    const seen = (pattern: RegExp) =>
      new Promise<void>((resolve, reject) => {
        const look = () => pattern.test(stdout + stderr) && resolve()
        watchers.add(look)
        look()
        void result.then(() => reject(new Error(`ended without ${pattern}: ${stdout}${stderr}`)))
      })
    return { child, result, seen }
  }
  return { server, home, env, start, run: (...args) => start(...args).result }
}

/** A failure as the server answers with it. */
export const failure = (code: string, status: number): Fault & { body: string } => ({
  kind: 'answer',
  status,
  body: JSON.stringify({ success: false, error: code, code, message: 'no', requestId: 'req_1' }),
})
