/** Every side effect on the host runs inside a named step, so that tests can fail, hang, kill or repeat exactly that one. */

/** Runs `fn` as the step `name`. */
export type Step = <T>(name: string, fn: () => Promise<T>) => Promise<T>

/** What a failpoint does when its step is reached. `skip` leaves a step out that nobody takes a value from: a build with a known fault, for detectors to find. */
export type FailpointAction = 'error' | 'kill' | 'hang' | 'twice' | 'skip' | 'note'

/** Failpoints by step name, as parsed from `name=action` pairs. Empty in production. */
export type Failpoints = ReadonlyMap<string, FailpointAction>

/** The runner of a build without failpoints. */
export const plainStep: Step = (_name, fn) => fn()

/** A step runner that obeys failpoints. `kill` ends the process as SIGKILL would. */
export function failpointStep(failpoints: Failpoints): Step {
  if (failpoints.size === 0) return plainStep
  // `all=note` says on standard error which steps are done, so that nobody has to keep a list of them.
  if (failpoints.get('all') === 'note') {
    return (name, fn) => {
      process.stderr.write(`${JSON.stringify({ step: name })}\n`)
      return fn()
    }
  }
  return async (name, fn) => {
    switch (failpoints.get(name)) {
      case 'error':
        throw new Error(`failpoint: ${name}`)
      case 'kill':
        process.kill(process.pid, 'SIGKILL')
        return new Promise<never>(() => {})
      case 'hang':
        return new Promise<never>(() => {})
      case 'twice':
        await fn()
        return fn()
      case 'skip':
        return undefined as never
      default:
        return fn()
    }
  }
}
