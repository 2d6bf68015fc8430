/** The images that requests may name, with their state on this host. */
import type { CatalogImage, ImagesQuery } from '@alcove/contract'
import type { CatalogueEntry, Catalogue as CatalogueFile } from '../image/catalogue.ts'
import type { ImageStore } from '../image/images.ts'

/** The catalogue as requests see it. */
export interface Catalogue {
  /** Catalogue id of an id or reference; `undefined` when there is neither. */
  resolve(name: string): string | undefined
  list(query: ImagesQuery): Promise<{ images: CatalogImage[]; categories: { id: string; label: string }[] }>
}

/** Makes the catalogue of a server from the catalogue file. */
export function createCatalogue(file: CatalogueFile, images: Pick<ImageStore, 'states'>): Catalogue {
  const byName = new Map(file.images.flatMap(({ id, image }) => [[id, id] as const, [image, id] as const]))
  return {
    resolve: (name) => byName.get(name),
    async list({ search, category }) {
      const states = await images.states()
      const wanted = file.images.filter((entry) => isIn(entry, category) && matches(entry, search))
      return { images: wanted.map((entry) => present(entry, states.get(entry.id))), categories: file.categories }
    },
  }
}

function isIn(entry: CatalogueEntry, category: string | undefined): boolean {
  return !category || category === 'all' || entry.category === category
}

function matches(entry: CatalogueEntry, search: string | undefined): boolean {
  if (!search) return true
  return [entry.id, entry.image, entry.label, entry.desc].join('\n').toLowerCase().includes(search.toLowerCase())
}

function present(
  { id, image, label, desc, category, capabilities }: CatalogueEntry,
  state: { state: CatalogImage['status']; sizeBytes: number | null } | undefined,
): CatalogImage {
  const sizeBytes = state?.sizeBytes ?? null
  const size_mb = sizeBytes === null ? null : Math.round((sizeBytes / 1024 ** 2) * 10) / 10
  return { id, image, label, desc, category, capabilities, status: state?.state ?? 'absent', size_mb }
}
