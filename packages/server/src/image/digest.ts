/** Content digests. Files are read in pieces, never whole. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** Files of an image, in the order in which the digest counts them. */
export const imageFiles = ['rootfs.erofs', 'config.json'] as const

/** SHA-256 of a file, hex. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 256 * 1024 }), hash)
  return hash.digest('hex')
}

/** `sha256:` and 64 hex digits over the image in `directory`: the hash of what `sha256sum rootfs.erofs config.json` prints. */
export async function imageDigest(directory: string): Promise<string> {
  const sums: string[] = []
  for (const file of imageFiles) sums.push(`${await hashFile(join(directory, file))}  ${file}\n`)
  return digestOfSums(sums.join(''))
}

/** The digest that a `SHA256SUMS` file stands for. */
export function digestOfSums(sums: string): string {
  return `sha256:${createHash('sha256').update(sums).digest('hex')}`
}
