/** `credentials.json`: the first key of a new installation, for whoever may read the data directory. */
import { join } from 'node:path'
import type { Clock } from './lib/clock.ts'
import { findFile, writeFileDurably } from './lib/files.ts'
import type { Store } from './store/open.ts'
import { createKey } from './tenancy/api-keys.ts'

/** Account that owns the first key. */
const firstAccount = 'default'

/** Writes the credentials file unless there is one; one that names another address is corrected. */
export async function ensureCredentialsFile(options: { dataDir: string; url: string; defaultPlan: string; store: Store; clock: Clock }): Promise<string> {
  const { dataDir, url, defaultPlan, store, clock } = options
  const path = join(dataDir, 'credentials.json')
  const there = await findFile(path)
  const known = there === undefined ? undefined : JSON.parse(there)
  if (known?.url === url) return path
  const { clientId, clientSecret } = known ?? (await createKey({ store, clock }, { account: firstAccount, defaultPlan }))
  await writeFileDurably(path, `${JSON.stringify({ url, clientId, clientSecret }, undefined, 2)}\n`)
  return path
}
