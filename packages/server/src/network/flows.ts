/** Forgets the connections of an address. Only guests start connections, so the original source names all of them. */
import { commandFailed, tryInside } from './commands.ts'
import type { InstallNames } from './names.ts'

/** Deletes every conntrack entry that an address of a guest has started. Idempotent. @throws VM_UNAVAILABLE */
export async function flushFlows(names: InstallNames, ip: string): Promise<void> {
  const argv = ['conntrack', '-D', '--orig-src', ip] as const
  const result = await tryInside(names, argv)
  // Exit code 1 also means that there was nothing to delete.
  if (result.exitCode !== 0 && !result.stderr.includes('0 flow entries')) commandFailed(argv, result)
}
