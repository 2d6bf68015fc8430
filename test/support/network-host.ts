/** Test tool: runs the network of one install in the namespace it was started in; one JSON call per line, one JSON answer per line. */
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { plainStep } from '../../packages/server/src/lib/step.ts'
import { createNetwork } from '../../packages/server/src/network/kernel-network.ts'

const [installId = '', resolvConfPath = ''] = process.argv.slice(2)
const log = pino({ level: 'warn' }, { write: (line: string) => process.stderr.write(line) })
const steps: string[] = []
const twice = process.argv[4] === 'twice'
const network = createNetwork({
  installId,
  log,
  resolvConfPaths: [resolvConfPath],
  step: async (name, fn) => {
    steps.push(name)
    if (twice) await plainStep(name, fn)
    return plainStep(name, fn)
  },
})

process.stdout.write('ready\n')
for await (const line of createInterface({ input: process.stdin })) {
  const { method, args } = JSON.parse(line) as { method: keyof typeof network | 'steps'; args: never[] }
  const started = performance.now()
  const answer = await call(method, args).then(
    (value) => ({ value }),
    (error: unknown) => ({ error: error instanceof AlcoveError ? error.code : 'other', message: `${error} ${(error as Error).cause ?? ''}` }),
  )
  process.stdout.write(`${JSON.stringify({ ...answer, ms: performance.now() - started })}\n`)
}

async function call(method: keyof typeof network | 'steps', args: never[]): Promise<unknown> {
  if (method === 'steps') return steps.splice(0)
  return (network[method] as (...all: never[]) => unknown)(...args)
}
