/** `alcove estimate`: says what a workspace of a size costs. */
import { Command } from 'commander'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { print, printJson } from '../output/print.ts'
import { renderFields } from '../output/table.ts'
import { parseCount, parseSize } from '../parse.ts'

interface Flags extends Partial<Credentials> {
  readonly cpus?: number
  readonly memory?: number
  readonly disk?: number
}

/** Makes the command. */
export function estimateCommand(context: Context): Command {
  const command = new Command('estimate')
    .description('say what a workspace of a size costs')
    .option('--cpus <n>', 'virtual CPUs', parseCount)
    .option('--memory <size>', 'memory: 512, 512m, 2g', parseSize)
    .option('--disk <size>', 'writable disk: 512, 512m, 2g', parseSize)
  return addClientOptions(command).action(async (flags: Flags) => {
    const { cpus, memory, disk } = flags
    const size = {
      ...(cpus === undefined ? {} : { cpu: cpus }),
      ...(memory === undefined ? {} : { ram_mb: memory }),
      ...(disk === undefined ? {} : { disk_mb: disk }),
    }
    const answer = await (await openWorkspaces(flags, context)).estimate(size, context)
    if (context.isJson) return printJson(answer)
    const price = (amount: number) => `${Number(amount.toPrecision(4))} ${answer.currency} an ${answer.period}`
    const { min, avg, max } = answer.estimate
    print(
      renderFields([
        ['at least', price(min)],
        ['on average', price(avg)],
        ['at most', price(max)],
      ]),
    )
  })
}
