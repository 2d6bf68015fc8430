/** The authorisation matrix: every operation against every way of not being allowed, made from the table of operations. */
import { isChange, type Operation, type OperationName, operations, takesGeneration } from '@alcove/contract'
import { validBodies } from './api-bodies.ts'
import { type ApiClient, createApiClient, type RawAnswer, type RawRequest } from './api-client.ts'

/** A pair of credentials. */
export interface MatrixKeys {
  readonly clientId: string
  readonly clientSecret: string
}

/** Against what to run it. The first workspace was made before the second and must not change meanwhile. */
export interface MatrixOptions {
  readonly baseUrl: string
  readonly owner: MatrixKeys
  readonly other: MatrixKeys
  /** A key of the owner that was revoked. */
  readonly revoked: MatrixKeys
  /** Workspace of the owner, and an operation that was done with it. */
  readonly workspaceId: string
  readonly operationId: string
  /** Workspace of the other account. */
  readonly otherWorkspaceId: string
  /** Idempotency key that the owner has made a workspace with. */
  readonly usedKey: string
}

/** How it went. */
export interface MatrixVerdict {
  /** Operation and case, such as `getWorkspace: revoked key`. */
  readonly rows: readonly string[]
  readonly violations: readonly string[]
}

/** Ids of the right shape that were never given. */
const unknown = { workspace: 'ws_zzzzzzzzzzzz', operation: 'op_zzzzzzzzzzzz' }

/** Runs the whole matrix. */
export async function authMatrix(options: MatrixOptions): Promise<MatrixVerdict> {
  using client = createApiClient(options.baseUrl)
  const rows: string[] = []
  const violations: string[] = []
  const check = (row: string, fault: string | undefined) => {
    rows.push(row)
    if (fault !== undefined) violations.push(`${row}: ${fault}`)
  }
  const before = await look(client, options)
  for (const [index, [name, operation]] of (Object.entries(operations) as [OperationName, Operation][]).entries()) {
    if (!Object.hasOwn(validBodies, name)) violations.push(`${name} has no row`)
    // An address for each operation: a server may count failures by address.
    const request = requestOf(name, operation, options.workspaceId, options.operationId, `127.0.9.${index + 1}`)
    if (operation.access === 'public') check(`${name}: public`, faultOfPublic(await client.send(request), operation))
    else {
      for (const [label, headers] of Object.entries(refusedHeaders(options)))
        check(`${name}: ${label}`, faultOfRefusal(await client.send({ ...request, headers })))
      for (const { label, foreign, never } of foreignRequests(name, operation, options)) {
        check(`${name}: ${label}`, await faultOfForeign(client, options, foreign, never))
      }
    }
  }
  check('the workspace is as it was', before === (await look(client, options)) ? undefined : 'it changed')
  return { rows, violations }
}

const headersOf = ({ clientId, clientSecret }: MatrixKeys) => ({ 'x-client-id': clientId, 'x-client-secret': clientSecret })

/** Every way of not having credentials. */
function refusedHeaders({ owner, other, revoked }: MatrixOptions): Record<string, Record<string, string | string[]>> {
  const good = headersOf(owner)
  return {
    'no credentials': {},
    'no secret': { 'x-client-id': owner.clientId },
    'no id': { 'x-client-secret': owner.clientSecret },
    'empty secret': { ...good, 'x-client-secret': '' },
    'wrong secret': { ...good, 'x-client-secret': `${owner.clientSecret.slice(0, -1)}~` },
    'shortened secret': { ...good, 'x-client-secret': owner.clientSecret.slice(0, -1) },
    'secret of another account': { ...good, 'x-client-secret': other.clientSecret },
    'unknown id': { ...good, 'x-client-id': 'key_zzzzzzzzzzzz' },
    'revoked key': headersOf(revoked),
    'id sent twice': { ...good, 'x-client-id': [owner.clientId, owner.clientId] },
    'secret sent twice': { ...good, 'x-client-secret': [owner.clientSecret, other.clientSecret] },
    'overlong secret': { ...good, 'x-client-secret': 'x'.repeat(5000) },
    'id with a wildcard': { ...good, 'x-client-id': '%' },
    'bearer instead': { authorization: `Bearer ${owner.clientSecret}` },
  }
}

function requestOf(name: OperationName, operation: Operation, workspaceId: string, operationId: string, from?: string): RawRequest {
  const body = validBodies[name]
  return {
    method: operation.method,
    path: operation.path.replace(':workspaceId', workspaceId).replace(':operationId', operationId),
    ...(body ? { body: JSON.stringify(body) } : {}),
    ...(from ? { from } : {}),
  }
}

interface ForeignRequest {
  readonly label: string
  /** Names what belongs to the owner. */
  readonly foreign: RawRequest
  /** Names what never was in its place. */
  readonly never: RawRequest
}

/** Every way of naming what belongs to another account: in the path, in a cursor, with a key or a precondition. */
function foreignRequests(name: OperationName, operation: Operation, options: MatrixOptions): ForeignRequest[] {
  const { workspaceId, operationId, otherWorkspaceId, usedKey } = options
  const pair = (label: string, more: (isForeign: boolean) => Partial<RawRequest> = () => ({})): ForeignRequest => ({
    label,
    foreign: { ...requestOf(name, operation, workspaceId, operationId), ...more(true) },
    never: { ...requestOf(name, operation, unknown.workspace, unknown.operation), ...more(false) },
  })
  const isOfOne = operation.path.includes(':')
  const key = { 'idempotency-key': usedKey }
  const own = operation.path.replace(':workspaceId', otherWorkspaceId)
  return [
    ...(isOfOne ? [pair('id of another account')] : []),
    ...(isOfOne && isChange(operation) ? [pair('id of another account, with its key', () => ({ headers: key }))] : []),
    ...(takesGeneration(operation)
      ? [pair('id of another account, with its generation', (isForeign) => ({ headers: { 'if-match': isForeign ? '"1"' : '"77"' } }))]
      : []),
    ...(name === 'listOperations'
      ? [pair('cursor of another account', (isForeign) => ({ path: `${own}?after=${isForeign ? operationId : unknown.operation}` }))]
      : []),
    // Events have numbers: the first belongs to the owner, none has the number 0.
    ...(name === 'listEvents' ? [pair('cursor of another account', (isForeign) => ({ path: `${own}?after=${isForeign ? 1 : 0}` }))] : []),
    ...(name === 'streamEvents' ? [pair('event of another account', (isForeign) => ({ headers: { 'last-event-id': isForeign ? '1' : '0' } }))] : []),
    // With another body, which would be a mismatch for the owner.
    ...(name === 'createWorkspace'
      ? [pair('key of another account', (isForeign) => ({ headers: { 'idempotency-key': isForeign ? usedKey : 'never-used' }, body: '{"image":"none-such"}' }))]
      : []),
  ]
}

function faultOfPublic({ status }: RawAnswer, operation: Operation): string | undefined {
  return status === operation.status ? undefined : `status ${status}`
}

function faultOfRefusal({ status, text }: RawAnswer): string | undefined {
  if (status !== 401) return `status ${status}: ${text.slice(0, 200)}`
  const { code } = JSON.parse(text) as { code?: string }
  return code === 'MISSING_USER_ID' ? undefined : `code ${code}`
}

/** Whoever names what belongs to another account learns exactly what he learns of what never was. */
async function faultOfForeign(client: ApiClient, { other, workspaceId, operationId }: MatrixOptions, foreign: RawRequest, never: RawRequest) {
  const send = (request: RawRequest) => client.send({ ...request, headers: { 'content-type': 'application/json', ...headersOf(other), ...request.headers } })
  const [named, random] = [await send(foreign), await send(never)]
  if (named.text.includes(workspaceId) || named.text.includes(operationId)) return `tells of another account: ${named.text.slice(0, 300)}`
  const isOfOne = foreign.path.includes(workspaceId) || foreign.path.includes(operationId)
  if (isOfOne && !foreign.path.includes('?') && named.status !== 404) return `status ${named.status}: ${named.text.slice(0, 200)}`
  const [a, b] = [plain(named), plain(random)]
  return a === b ? undefined : `differs from what never was: ${a} and ${b}`
}

/** An answer without what differs between any two: ids of the request and of what it was to do, the time. */
function plain({ status, headers, text }: RawAnswer): string {
  const { date: _date, 'x-request-id': _id, 'x-operation-id': _operation, 'content-length': _length, ...rest } = headers
  // How much of a stream has come is chance.
  const isStream = rest['content-type']?.startsWith('text/event-stream')
  return JSON.stringify({ status, rest, text: isStream ? '' : text.replace(/"requestId":"[^"]*"/, '') })
}

async function look(client: ApiClient, { owner, workspaceId }: MatrixOptions): Promise<string> {
  const { status, text } = await client.send({ method: 'GET', path: `/workspace/${workspaceId}`, headers: headersOf(owner) })
  const { workspace } = JSON.parse(text) as { workspace?: { name: string; status: string; updated_at: string } }
  return JSON.stringify([status, workspace?.name, workspace?.status, workspace?.updated_at])
}
