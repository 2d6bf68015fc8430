/** Writes every file that is made from the contract. Run it through `script/generate`. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { generatedFiles } from '../packages/contract/src/generated.ts'

const root = join(import.meta.dirname, '..')
const { version } = JSON.parse(await readFile(join(root, 'packages/server/package.json'), 'utf8')) as { version: string }

for (const { path, render } of generatedFiles(version)) {
  const file = join(root, path)
  const current = await readFile(file, 'utf8').catch(() => undefined)
  const text = render(current)
  if (text === undefined || text === current) continue
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
  console.log(`wrote ${path}`)
}
