/** Reads the bounded logs of a workspace. What is in them was written by a guest: it is text for people, never trusted. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'

const files = { boot: 'console.log', cmd: 'cmd.log' } as const

/** Bytes that are looked at per file: the last lines of a file are within them, or the lines are cut. */
const windowBytes = 1024 * 1024

/** The last `lines` lines of a log, the rotated file before the current one; empty when there is none. */
export async function tailLog(directory: string, source: keyof typeof files, lines: number): Promise<string> {
  const current = join(directory, files[source])
  const text = (await readEnd(`${current}.1`)) + (await readEnd(current))
  const all = text.replaceAll('\r\n', '\n').split('\n')
  const ended = all.at(-1) === ''
  if (ended) all.pop()
  return all.length === 0 ? '' : `${all.slice(-lines).join('\n')}${ended ? '\n' : ''}`
}

async function readEnd(path: string): Promise<string> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!file) return ''
  try {
    const { size } = await file.stat()
    const length = Math.min(size, windowBytes)
    const buffer = Buffer.alloc(length)
    const { bytesRead } = await file.read(buffer, 0, length, size - length)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
