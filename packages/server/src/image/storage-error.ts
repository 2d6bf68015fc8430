/** What the file system says, in the words of the registry. */
import { AlcoveError } from '../lib/fail.ts'

const fullCodes = new Set(['ENOSPC', 'EDQUOT'])

/** Runs `fn`; a full file system becomes `storage_full`. @throws storage_full */
export async function onFullDisk<T>(what: string, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    if (fullCodes.has((error as NodeJS.ErrnoException).code ?? '')) throw storageFull(what, error)
    throw error
  }
}

/** The error of a full disk; `what` is what had no room. */
export function storageFull(what: string, cause?: unknown): AlcoveError {
  return new AlcoveError('storage_full', { message: `The host has no room left for ${what}. Free some disk space on the host and try again.`, cause })
}
