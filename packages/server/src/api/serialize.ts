/** From answer to text. What is given out again and again as the same object is printed once. */
import { ListAnswer, Workspace, WorkspaceAnswer } from '@alcove/contract'
import build from 'fast-json-stringify'

type Print = (value: unknown) => string
type Schema = Parameters<typeof build>[0]

/** Makes the printers of the API. */
export function createSerializers(): (schema: unknown) => Print {
  const printWorkspace = once(build(Workspace as Schema))
  const printWorkspaces = once((list) => `[${(list as object[]).map(printWorkspace).join(',')}]`)
  return (schema) => {
    if (schema === WorkspaceAnswer) return (answer) => `{"success":true,"workspace":${printWorkspace((answer as WorkspaceAnswer).workspace)}}`
    if (schema !== ListAnswer) return build(schema as Schema)
    return (answer) => {
      const { workspaces, total, page, limit } = answer as ListAnswer
      return `{"success":true,"workspaces":${printWorkspaces(workspaces)},"total":${total},"page":${page},"limit":${limit}}`
    }
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
