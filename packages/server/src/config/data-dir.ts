/** The data directory: where it may lie, and how it is made. */
import { access, chmod, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fail, messageOf } from '../lib/fail.ts'
import { ensureDirectory } from '../lib/files.ts'

/** Longest path, bytes: a unix socket has 107, and below this one lie a workspace, a boot and the socket's name. */
export const maxDataDirBytes = 48

/** Returns what is wrong with a path as data directory, for people. */
export async function dataDirMistakes(path: string): Promise<string[]> {
  const mistakes: string[] = []
  if (Buffer.byteLength(path) > maxDataDirBytes) mistakes.push(`is longer than ${maxDataDirBytes} bytes, which leaves no room for the sockets below it`)
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    const mistake = await parentMistake(parent)
    if (mistake) mistakes.push(mistake)
    if (parent === dirname(parent)) return mistakes
  }
}

/**
 * Makes the data directory, or lets other users pass through it: VMs run as users of their own and reach their files by it.
 * @throws service_unavailable storage_full when nothing can be written there
 */
export async function ensureDataDir(path: string): Promise<void> {
  try {
    await ensureDirectory(path, 0o711)
    const { mode } = await stat(path)
    await access(path, constants.W_OK)
    if ((mode & 0o011) !== 0o011) await chmod(path, (mode & 0o7777) | 0o011)
  } catch (error) {
    refuse(path, error)
  }
}

/** Says in words what keeps the data directory from being used; a start that fails touches no virtual machine. */
function refuse(path: string, error: unknown): never {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EROFS':
      return fail('service_unavailable', {
        message: `The data directory ${path} is on a read-only file system. Mount it writable and start again; virtual machines go on meanwhile.`,
        cause: error,
      })
    case 'ENOSPC':
    case 'EDQUOT':
      return fail('storage_full', { message: `There is no room left for the data directory ${path}. Make room and start again.`, cause: error })
    default:
      return fail('service_unavailable', { message: `The data directory ${path} cannot be used: ${messageOf(error)}`, cause: error })
  }
}

async function parentMistake(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path)
    if (!found.isDirectory()) return `lies below ${path}, which is not a directory`
    if ((found.mode & 0o001) === 0)
      return `lies below ${path}, which other users may not enter, and VMs run as such: choose another place, or chmod o+x ${path}`
    return undefined
  } catch (error) {
    // What is not there yet is made by us.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    return `lies below ${path}, which cannot be read (${(error as NodeJS.ErrnoException).code})`
  }
}
