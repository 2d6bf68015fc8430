/** `alcove login`: keeps address and key for the commands to come. */
import { Command } from 'commander'
import type { Context } from '../context.ts'
import { type Credentials, readCredentials, writeCredentials } from '../credentials.ts'
import { usageError } from '../exit-codes.ts'
import { print, printJson } from '../output/print.ts'
import { escapeText } from '../output/text.ts'

interface Flags extends Partial<Credentials> {
  readonly file?: string
}

/** Makes the command. */
export function loginCommand(context: Context): Command {
  return new Command('login')
    .description('keep address and key for other commands')
    .option('--file <path>', 'take them from this file, such as DATA_DIR/credentials.json of the daemon')
    .option('--url <url>', 'address of the server; wins over the file')
    .option('--client-id <id>', 'id of the API key; wins over the file')
    .option('--client-secret <secret>', 'secret of the API key; wins over the file')
    .option('--json', 'print JSON for machines')
    .action(async (flags: Flags) => {
      const credentials = await gather(flags, context)
      const path = context.environment.credentialsPath
      await writeCredentials(path, credentials)
      if (context.isJson) printJson({ success: true, path, url: credentials.url, clientId: credentials.clientId })
      else print(escapeText(`credentials for ${credentials.url} kept in ${path}`).concat('\n'))
    })
}

/** A secret may also come from the environment, where no other user of the machine sees it. */
async function gather(flags: Flags, { environment }: Context): Promise<Credentials> {
  const file: Partial<Credentials> = flags.file === undefined ? {} : await readCredentials(flags.file)
  const url = flags.url ?? file.url ?? environment.url
  const clientId = flags.clientId ?? file.clientId ?? environment.clientId
  const clientSecret = flags.clientSecret ?? file.clientSecret ?? environment.clientSecret
  if (url === undefined || clientId === undefined || clientSecret === undefined) {
    throw usageError('give --file, or all of --url, --client-id and --client-secret (or their environment variables)')
  }
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) throw usageError(`${url} is not an http or https URL`)
  return { url, clientId, clientSecret }
}
