/** Builds one image of the catalogue into the cache: `node script/lib/build-image.ts CACHE_DIR IMAGE_ID`. */
import { join } from 'node:path'
import { loadCatalogue } from '../../packages/server/src/image/catalogue.ts'
import { createImageCache } from '../../packages/server/src/image/image-cache.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { plainStep } from '../../packages/server/src/lib/step.ts'

const [cacheDir = '', imageId = ''] = process.argv.slice(2)
const recipesDir = join(import.meta.dirname, '../../guest/images')
const { images } = await loadCatalogue(join(recipesDir, 'catalogue.json'))
const entry = images.find(({ id }) => id === imageId)
if (!entry) throw new Error(`no image ${imageId} in the catalogue`)
const cache = createImageCache({ cacheDir, recipesDir, step: plainStep, clock: systemClock, log: createLogger('warn') })
console.log(await cache.ensure(entry, (message) => console.error(message)))
