/** The text of every file that is made from the contract. Pure: `script/generate` writes, the drift test compares. */
import { renderErrorsPage } from './errors-page.ts'
import { renderOpenApi } from './openapi.ts'
import { renderTypes } from './print-types.ts'
import { withStates } from './states-drawing.ts'
import { withVerbs } from './verbs-table.ts'
import { wireTypes } from './wire-types.ts'

/** A generated file: where it is, and its text given the one that is there. */
export interface GeneratedFile {
  /** From the root of the repository. */
  readonly path: string
  /** `undefined` when there is nothing to write. */
  render(current: string | undefined): string | undefined
}

/** Every generated file; `version` is the one of the server. */
export function generatedFiles(version: string): GeneratedFile[] {
  return [
    { path: 'openapi.json', render: () => `${JSON.stringify(renderOpenApi(version), null, 2)}\n` },
    { path: 'docs/errors.md', render: () => renderErrorsPage() },
    { path: 'packages/sdk/src/types.gen.ts', render: () => `${notice}\n${renderTypes(wireTypes)}` },
    { path: 'docs/operations.md', render: (current) => (current === undefined ? undefined : withVerbs(current)) },
    { path: 'ARCHITECTURE.md', render: (current) => (current === undefined ? undefined : withStates(current)) },
  ]
}

const notice = '// Made from the contract by script/generate. Change packages/contract/src and run it again.\n'
