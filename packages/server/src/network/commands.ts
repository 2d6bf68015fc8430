/** Runs the network tools, on the host side or inside the namespace, and translates their failures. */
import { fail } from '../lib/fail.ts'
import { type RunResult, runAny, SubprocessError } from '../lib/subprocess.ts'
import type { InstallNames } from './names.ts'

type Argv = readonly [string, ...string[]]

/** Longest time one command may take, ms; they take about 5. */
const timeoutMs = 20_000
/** Room for the listing of 65,535 slots, bytes. */
const maxBytes = 64 * 1024 * 1024

/** Runs a command in the network namespace of this process; returns its output. @throws VM_UNAVAILABLE */
export async function onHost(argv: Argv, input = ''): Promise<string> {
  return succeeded(argv, await tryOnHost(argv, input))
}

/** Runs a command in the namespace of the install; returns its output. @throws VM_UNAVAILABLE */
export async function inside(names: InstallNames, argv: Argv, input = ''): Promise<string> {
  return succeeded(argv, await tryInside(names, argv, input))
}

/** Like {@link inside}, but leaves it to the caller to judge the exit code. @throws VM_UNAVAILABLE when it could not be run */
export function tryInside(names: InstallNames, argv: Argv, input = ''): Promise<RunResult> {
  return tryOnHost(['nsenter', `--net=${names.namespacePath}`, ...argv], input)
}

/** Like {@link onHost}, but leaves it to the caller to judge the exit code. @throws VM_UNAVAILABLE when it could not be run */
export async function tryOnHost(argv: Argv, input = ''): Promise<RunResult> {
  try {
    return await runAny(argv, { input, timeoutMs, maxBytes })
  } catch (error) {
    return networkFailed(error)
  }
}

/** Raises what a command said as an error of ours. */
export function commandFailed(argv: Argv, result: RunResult): never {
  return networkFailed(new SubprocessError(argv, `exit code ${result.exitCode}`, result))
}

function succeeded(argv: Argv, result: RunResult): string {
  return result.exitCode === 0 ? result.stdout : commandFailed(argv, result)
}

function networkFailed(cause: unknown): never {
  return fail('VM_UNAVAILABLE', { message: 'The network of virtual machines could not be changed on this host; the server log has the details.', cause })
}
