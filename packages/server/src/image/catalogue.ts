/** The catalogue file: which images there are, what they start with, and how each is built. Written by the operator, so trusted once it parses. */
import { readFile } from 'node:fs/promises'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { messageOf } from '../lib/fail.ts'

const strings = Type.Array(Type.String())
const closed = { additionalProperties: false }

/** Process defaults, in the words of the OCI image specification. */
export const ImageConfigSchema = Type.Object({ Env: strings, Cmd: strings, Entrypoint: strings, WorkingDir: Type.String(), User: Type.String() }, closed)

const Recipe = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]*$', description: 'Directory of the recipe.' }),
    args: strings,
    hostFiles: Type.Array(Type.String({ pattern: '^/' }), { description: 'Files of the host that end up in the image.' }),
    maxMib: Type.Integer({ minimum: 1, description: 'Largest root file system, MiB.' }),
    freeMib: Type.Integer({ minimum: 1, description: 'Room a build needs on disk, MiB.' }),
    timeoutSeconds: Type.Integer({ minimum: 1 }),
  },
  closed,
)

const Entry = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{0,62}$', description: 'Short id, such as `node-20`.' }),
    image: Type.String({ minLength: 1, description: 'Reference, such as `alcove/node:20`.' }),
    label: Type.String(),
    desc: Type.String(),
    category: Type.String(),
    capabilities: strings,
    recipe: Recipe,
    config: ImageConfigSchema,
  },
  closed,
)

const Catalogue = Type.Object(
  {
    version: Type.Literal(1),
    categories: Type.Array(Type.Object({ id: Type.String(), label: Type.String() }, closed)),
    images: Type.Array(Entry, { minItems: 1 }),
  },
  closed,
)

/** One image of the catalogue. */
export type CatalogueEntry = Static<typeof Entry>

/** The whole catalogue. */
export type Catalogue = Static<typeof Catalogue>

/** Reads the catalogue file. @throws Error naming the file and the first mistake; the server does not start with a wrong catalogue. */
export async function loadCatalogue(path: string): Promise<Catalogue> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    const [mistake] = Value.Errors(Catalogue, value)
    if (mistake) throw new Error(`${mistake.instancePath || '/'}: ${mistake.message}`)
    const catalogue = value as Catalogue
    refuseRepeats(catalogue)
    return catalogue
  } catch (error) {
    throw new Error(`image catalogue ${path}: ${messageOf(error)}`, { cause: error })
  }
}

function refuseRepeats({ images, categories }: Catalogue): void {
  const seen = new Set<string>()
  for (const { id, image, category } of images) {
    for (const name of [id, image]) {
      if (seen.has(name)) throw new Error(`'${name}' names two images`)
      seen.add(name)
    }
    if (!categories.some((known) => known.id === category)) throw new Error(`image '${id}' has the unknown category '${category}'`)
  }
}
