/** Child process of the image tests: makes one image ready and prints each progress message on a line. Arguments: root, cache, recipes as JSON, id. */
import { openImageStore } from './image-store.ts'

const [root = '', cacheDir = '', recipes = '', imageId = ''] = process.argv.slice(2)
const store = await openImageStore(root, cacheDir, JSON.parse(recipes))
const object = await store.ensure(imageId, {
  signal: new AbortController().signal,
  onProgress: ({ message }) => process.stdout.write(`${message}\n`),
})
process.stdout.write(`digest ${object.digest}\n`)
