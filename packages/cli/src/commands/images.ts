/** `alcove images`: lists the catalogue. */
import type { CatalogImage, ImagesQuery } from '@alcove/sdk'
import { Command } from 'commander'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { outputWidth, print, printJson } from '../output/print.ts'
import { type Column, renderTable } from '../output/table.ts'

const columns: readonly Column<CatalogImage>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'IMAGE', value: ({ image }) => image, shrinkTo: 12 },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'SIZE', value: ({ size_mb: size }) => (size === null ? '-' : `${Math.ceil(size)}M`), isNumber: true },
  { title: 'CATEGORY', value: ({ category }) => category, isOptional: true },
  { title: 'DESCRIPTION', value: ({ desc }) => desc, shrinkTo: 12 },
]

/** Makes the command. */
export function imagesCommand(context: Context): Command {
  const command = new Command('images')
    .description('list the images a workspace can be made of')
    .option('--search <text>', 'only those that match')
    .option('--category <category>', 'only those of this category')
  return addClientOptions(command).action(async (flags: Partial<Credentials> & ImagesQuery) => {
    const workspaces = await openWorkspaces(flags, context)
    const { search, category } = flags
    const answer = await workspaces.images({ ...(search ? { search } : {}), ...(category ? { category } : {}) }, context)
    if (context.isJson) printJson(answer)
    else print(renderTable(columns, answer.images, outputWidth()))
  })
}
