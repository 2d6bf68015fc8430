/** The authorisation matrix: every operation against every way of not being allowed, made from the table of operations. */
import { type Operation, type OperationName, operations } from '@alcove/contract'
import { type ApiClient, createApiClient, type RawAnswer, type RawRequest } from './api-client.ts'

/** A pair of credentials. */
export interface MatrixKeys {
  readonly clientId: string
  readonly clientSecret: string
}

/** Against what to run it. The workspace belongs to `owner` and must not change meanwhile. */
export interface MatrixOptions {
  readonly baseUrl: string
  readonly owner: MatrixKeys
  readonly other: MatrixKeys
  /** A key of the owner that was revoked. */
  readonly revoked: MatrixKeys
  readonly workspaceId: string
}

/** How it went. */
export interface MatrixVerdict {
  /** Operation and case, such as `getWorkspace: revoked key`. */
  readonly rows: readonly string[]
  readonly violations: readonly string[]
}

/** What each operation is sent as body; an operation without a row here does not compile. */
const bodies: Readonly<Record<OperationName, object | undefined>> = {
  health: undefined,
  openapi: undefined,
  metrics: undefined,
  createWorkspace: { image: 'busybox', name: 'of-nobody' },
  listWorkspaces: undefined,
  getQuota: undefined,
  listImages: undefined,
  getWorkspace: undefined,
  getWorkspaceDetails: undefined,
  updateWorkspace: { name: 'taken-over' },
  deleteWorkspace: undefined,
  startWorkspace: {},
  stopWorkspace: undefined,
  restartWorkspace: undefined,
  getWorkspaceLogs: undefined,
  getWorkspaceStats: undefined,
}

/** An id of the right shape that was never given. */
const unknownId = 'ws_zzzzzzzzzzzz'

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
    if (!Object.hasOwn(bodies, name)) violations.push(`${name} has no row`)
    // An address for each operation: a server may count failures by address.
    const request = requestOf(name, operation, options.workspaceId, `127.0.9.${index + 1}`)
    if (operation.access === 'public') check(`${name}: public`, faultOfPublic(await client.send(request), operation))
    else {
      for (const [label, headers] of Object.entries(refusedHeaders(options)))
        check(`${name}: ${label}`, faultOfRefusal(await client.send({ ...request, headers })))
      if (operation.path.includes(':workspaceId')) check(`${name}: id of another account`, await faultOfForeignId(client, name, operation, options))
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

function requestOf(name: OperationName, operation: Operation, id: string, from?: string): RawRequest {
  const body = bodies[name]
  return {
    method: operation.method,
    path: operation.path.replace(':workspaceId', id),
    ...(body ? { body: JSON.stringify(body) } : {}),
    ...(from ? { from } : {}),
  }
}

function faultOfPublic({ status }: RawAnswer, operation: Operation): string | undefined {
  return status === operation.status ? undefined : `status ${status}`
}

function faultOfRefusal({ status, text }: RawAnswer): string | undefined {
  if (status !== 401) return `status ${status}: ${text.slice(0, 200)}`
  const { code } = JSON.parse(text) as { code?: string }
  return code === 'MISSING_USER_ID' ? undefined : `code ${code}`
}

/** Whoever asks for another account's workspace learns exactly what he learns of one that never was. */
async function faultOfForeignId(
  client: ApiClient,
  name: OperationName,
  operation: Operation,
  { other, workspaceId }: MatrixOptions,
): Promise<string | undefined> {
  const headers = { ...headersOf(other), 'content-type': 'application/json' }
  const foreign = await client.send({ ...requestOf(name, operation, workspaceId), headers })
  const unknown = await client.send({ ...requestOf(name, operation, unknownId), headers })
  if (foreign.status !== 404) return `status ${foreign.status}: ${foreign.text.slice(0, 200)}`
  const [a, b] = [plain(foreign, workspaceId), plain(unknown, unknownId)]
  return a === b ? undefined : `differs from an unknown id: ${a} and ${b}`
}

/** An answer without what differs between any two: the id that was asked for, the request id, the time. */
function plain({ status, headers, text }: RawAnswer, id: string): string {
  const { date: _date, 'x-request-id': _id, 'content-length': _length, ...rest } = headers
  return JSON.stringify({ status, rest, text: text.replaceAll(id, '<id>').replace(/"requestId":"[^"]*"/, '') })
}

async function look(client: ApiClient, { owner, workspaceId }: MatrixOptions): Promise<string> {
  const { status, text } = await client.send({ method: 'GET', path: `/workspace/${workspaceId}`, headers: headersOf(owner) })
  const { workspace } = JSON.parse(text) as { workspace?: { name: string; status: string; updated_at: string } }
  return JSON.stringify([status, workspace?.name, workspace?.status, workspace?.updated_at])
}
