/** From answer to text. What is given out again and again as the same object is printed once. */
import { ListAnswer, Workspace, WorkspaceAnswer } from '@alcove/contract'
import build from 'fast-json-stringify'

type Print = (value: unknown) => string
type Schema = Parameters<typeof build>[0]

/** Makes the printers of the API. */
export function createSerializers(): (schema: unknown) => (answer: unknown) => string | Buffer {
  const printWorkspace = once(build(Workspace as Schema))
  return (schema) => {
    if (schema === WorkspaceAnswer) return (answer) => `{"success":true,"workspace":${printWorkspace((answer as WorkspaceAnswer).workspace)}}`
    if (schema === ListAnswer) return listPrinter(printWorkspace) as (answer: unknown) => Buffer
    return build(schema as Schema)
  }
}

/** A page as bytes: some 20 kB, which would have to be encoded for every answer otherwise. */
function listPrinter(printWorkspace: (workspace: object) => string): (answer: ListAnswer) => Buffer {
  const printed = new WeakMap<object, { total: number; page: number; limit: number; bytes: Buffer }>()
  return ({ workspaces, total, page, limit }) => {
    const known = printed.get(workspaces)
    if (known?.total === total && known.page === page && known.limit === limit) return known.bytes
    const text = `{"success":true,"workspaces":[${workspaces.map(printWorkspace).join(',')}],"total":${total},"page":${page},"limit":${limit}}`
    const bytes = Buffer.from(text)
    printed.set(workspaces, { total, page, limit, bytes })
    return bytes
  }
}

/** Remembers what was printed as long as the object lives; objects that are answers do not change. */
function once(print: Print): (value: object) => string {
  const printed = new WeakMap<object, string>()
  return (value) => {
    let text = printed.get(value)
    if (text === undefined) {
      text = print(value)
      printed.set(value, text)
    }
    return text
  }
}
