/** The image store of this host: catalogue image → built once into the cache → immutable object of this data directory. */
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import type { Catalogue, CatalogueEntry } from './catalogue.ts'
import { createImageCache, type ImageCacheDeps } from './image-cache.ts'
import type { BuildProgress, ImageObject, ImageStore } from './images.ts'
import { createObjectStore } from './object-store.ts'
import { onFullDisk } from './storage-error.ts'

/** What the store needs. */
export interface ImageStoreDeps extends ImageCacheDeps {
  /** Directory of the store, `DATA/images`. Must be reachable for the users VMs run as. */
  readonly root: string
  readonly catalogue: Catalogue
}

/** A build somebody waits for. */
interface Flight {
  readonly done: Promise<ImageObject>
  readonly listeners: Set<(progress: BuildProgress) => void>
  last: BuildProgress
}

/** Opens the image store. Nothing is built or hashed before somebody asks. */
export function createImageStore(deps: ImageStoreDeps): ImageStore {
  const { root, catalogue, step, log } = deps
  const cache = createImageCache(deps)
  const objects = createObjectStore({ root, step })
  const entries = new Map(catalogue.images.map((entry) => [entry.id, entry]))
  const flights = new Map<string, Flight>()
  const failures = new Map<string, string>()
  // Adding an object with its pointer, and collecting, exclude each other: an object without a pointer yet is not garbage.
  let writing: Promise<unknown> = Promise.resolve()

  function exclusively<T>(fn: () => Promise<T>): Promise<T> {
    const turn = writing.then(fn, fn)
    writing = turn.catch(() => {})
    return turn
  }

  function entryOf(imageId: string): CatalogueEntry {
    return entries.get(imageId) ?? fail('IMAGE_UNAVAILABLE', { message: `The image ${imageId} is not in the catalogue of this host.` })
  }

  /** The pointer, unless the recipe has changed since. */
  async function currentPointer(entry: CatalogueEntry) {
    const pointer = await objects.pointer(entry.id)
    return pointer?.key === (await cache.key(entry)) ? pointer : undefined
  }

  async function find(imageId: string): Promise<ImageObject | undefined> {
    const entry = entries.get(imageId)
    const pointer = entry && (await currentPointer(entry))
    return pointer && (await objects.find(pointer.digest))
  }

  /** Brings the image from the cache into the objects; `undefined` when the cache entry is damaged. */
  function adopt(entry: CatalogueEntry, directory: string): Promise<ImageObject | undefined> {
    return exclusively(async () => {
      const digest = await objects.add(directory)
      if (digest === undefined) return undefined
      await objects.point(entry.id, { key: await cache.key(entry), digest })
      return objects.find(digest)
    })
  }

  async function provide(entry: CatalogueEntry, onMessage: (message: string) => void): Promise<ImageObject> {
    const present = await find(entry.id)
    if (present) return present
    // Twice: an entry that is damaged is thrown away and built again.
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const object = await adopt(entry, await cache.ensure(entry, onMessage))
      if (object) return object
      log.warn({ imageId: entry.id }, 'cached image is damaged, building it again')
      await cache.discard(await cache.key(entry))
    }
    return fail('IMAGE_UNAVAILABLE', { message: `The image ${entry.id} was damaged right after it was built; check the disk of the host.` })
  }

  function start(entry: CatalogueEntry): Flight {
    const report = (state: BuildProgress['state'], message: string) => {
      flight.last = { imageId: entry.id, state, message }
      for (const listener of flight.listeners) listener(flight.last)
    }
    const build = async () => {
      failures.delete(entry.id)
      try {
        const object = await onFullDisk(`the image ${entry.id}`, () => provide(entry, (message) => report('building', message)))
        report('ready', `${entry.label} is ready`)
        return object
      } catch (error) {
        log.error({ err: error, imageId: entry.id }, 'image not available')
        failures.set(entry.id, messageOf(error))
        report('failed', messageOf(error))
        if (error instanceof AlcoveError) throw error
        return fail('IMAGE_UNAVAILABLE', { message: `The image ${entry.id} could not be made ready on this host; the server log says why.`, cause: error })
      } finally {
        flights.delete(entry.id)
      }
    }
    const first: BuildProgress = { imageId: entry.id, state: 'building', message: `preparing ${entry.label}` }
    // Begins in a later turn, so that `flight` is complete when the build reports.
    const flight: Flight = { done: Promise.resolve().then(build), listeners: new Set(), last: first }
    // Waiters may all have gone; then the log has the error.
    flight.done.catch(() => {})
    flights.set(entry.id, flight)
    return flight
  }

  return {
    find,
    async get(digest) {
      const object = /^sha256:[0-9a-f]{64}$/.test(digest) ? await objects.find(digest) : undefined
      return object ?? fail('IMAGE_UNAVAILABLE', { message: `The image object ${digest} is missing or damaged on this host.`, details: { digest } })
    },
    async ensure(imageId, { signal, onProgress }) {
      signal.throwIfAborted()
      const entry = entryOf(imageId)
      const flight = flights.get(imageId) ?? start(entry)
      if (onProgress) {
        flight.listeners.add(onProgress)
        onProgress(flight.last)
      }
      try {
        return await abortable(flight.done, signal)
      } finally {
        if (onProgress) flight.listeners.delete(onProgress)
      }
    },
    async states() {
      const states = new Map()
      for (const entry of catalogue.images) states.set(entry.id, await stateOf(entry))
      return states
    },
    async collect(inUse) {
      await cache.collect()
      await exclusively(() => objects.collect(inUse, new Set(entries.keys())))
    },
  }

  async function stateOf(entry: CatalogueEntry) {
    const flight = flights.get(entry.id)
    if (flight) return { state: 'building', sizeBytes: null, message: flight.last.message }
    const pointer = await currentPointer(entry)
    const sizeBytes = pointer && (await objects.size(pointer.digest))
    if (sizeBytes !== undefined) return { state: 'ready', sizeBytes, message: '' }
    const failure = failures.get(entry.id)
    return failure === undefined ? { state: 'absent', sizeBytes: null, message: 'built on first use' } : { state: 'failed', sizeBytes: null, message: failure }
  }
}

/** Waits for `done` until `signal` aborts; what is waited for goes on. */
function abortable<T>(done: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    done.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
