/** Helper programs of the host: run to their end, with bounds on time and output. Virtual machines are started elsewhere. */
import { spawn } from 'node:child_process'
import { messageOf } from './fail.ts'

/** How to run a program. */
export interface RunOptions {
  /** Text for its standard input. */
  readonly input?: string
  /** Kill it after this long, ms. */
  readonly timeoutMs?: number
  /** Keep at most this much of each output, bytes; the rest is dropped. */
  readonly maxBytes?: number
  readonly signal?: AbortSignal
  readonly cwd?: string
  /** Whole environment; default is PATH and a C locale only. */
  readonly env?: Readonly<Record<string, string>>
  /** Called with each line of standard output and error as it comes. */
  readonly onLine?: (line: string) => void
}

/** How a program ended. */
export interface RunResult {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A helper program that could not be started, ran too long or failed. */
export class SubprocessError extends Error {
  readonly argv: readonly string[]
  readonly result: RunResult | undefined

  constructor(argv: readonly string[], why: string, result?: RunResult) {
    super(`${argv[0]}: ${why}${result?.stderr ? `: ${result.stderr.trim().slice(-2000)}` : ''}`)
    this.name = 'SubprocessError'
    this.argv = argv
    this.result = result
  }
}

const helperEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', HOME: '/nonexistent' }

/** Runs a program to its end and returns its output; arguments are passed as they are, never through a shell. */
export function runAny(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<RunResult> {
  const { input, timeoutMs = 30_000, maxBytes = 4 * 1024 * 1024, signal, cwd, env = helperEnvironment, onLine } = options
  const [program, ...args] = argv
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    // An own process group, so that a timeout also ends what the program started.
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env, detached: true, ...(cwd ? { cwd } : {}) })
    const outputs = { stdout: collect(maxBytes, onLine), stderr: collect(maxBytes, onLine) }
    child.stdout.on('data', outputs.stdout.push)
    child.stderr.on('data', outputs.stderr.push)
    // A program that closes its input early is judged by how it ends, not by the broken pipe.
    child.stdin.on('error', () => {})
    child.stdin.end(input ?? '')

    let stopped: string | undefined
    const stop = (why: string) => {
      stopped ??= why
      killGroup(child.pid)
    }
    const timer = setTimeout(() => stop(`took longer than ${timeoutMs} ms`), timeoutMs)
    const onAbort = () => stop(`stopped: ${messageOf(signal?.reason)}`)
    signal?.addEventListener('abort', onAbort, { once: true })
    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    child.on('error', (error) => {
      settle()
      reject(new SubprocessError(argv, messageOf(error)))
    })
    child.on('close', (exitCode, killedBy) => {
      settle()
      const result = { exitCode, signal: killedBy, stdout: outputs.stdout.text(), stderr: outputs.stderr.text() }
      if (stopped === undefined) resolve(result)
      else reject(signal?.aborted ? signal.reason : new SubprocessError(argv, stopped, result))
    })
  })
}

/** Like {@link runAny}, but an exit other than 0 is an error. Returns standard output. */
export async function run(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<string> {
  const result = await runAny(argv, options)
  if (result.exitCode !== 0) throw new SubprocessError(argv, result.signal ? `killed by ${result.signal}` : `exit code ${result.exitCode}`, result)
  return result.stdout
}

/** How a child ended; `reason` where it could not even be started. */
export interface ChildEnd {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly reason?: string
}

/** A process that lives as long as it likes. */
export interface Child {
  readonly pid: number | undefined
  /** Resolves when it is gone; never rejects. */
  readonly ended: Promise<ChildEnd>
  /** Nothing when it is gone. */
  kill(signal: NodeJS.Signals): void
}

/** Starts a process with our environment. It writes where we write, not through us, so it goes on when we end; `onMessage` is called with what it sends. */
export function startChild(argv: readonly [string, ...string[]], onMessage: () => void): Child {
  const [program, ...args] = argv
  const child = spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  child.on('message', onMessage)
  const ended = new Promise<ChildEnd>((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }))
    child.once('error', (error) => {
      if (child.pid === undefined) resolve({ exitCode: null, signal: null, reason: messageOf(error) })
    })
  })
  // A signal that cannot be sent is one to a process that is gone.
  child.on('error', () => {})
  return { pid: child.pid, ended, kill: (signal) => void child.kill(signal) }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function collect(maxBytes: number, onLine: ((line: string) => void) | undefined) {
  const chunks: Buffer[] = []
  let kept = 0
  let partial = ''
  return {
    push(chunk: Buffer): void {
      const room = maxBytes - kept
      if (room > 0) {
        chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
        kept += Math.min(room, chunk.length)
      }
      if (!onLine) return
      const lines = (partial + chunk.toString('utf8')).split(/[\r\n]+/)
      partial = (lines.pop() ?? '').slice(-4096)
      for (const line of lines) if (line !== '') onLine(line)
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
  }
}
