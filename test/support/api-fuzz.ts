/** Fuzzes the HTTP surface: sequences of near-valid requests over earlier ids, and bytes that are no requests at all. */
import { movingStatuses } from '@alcove/contract'
import fc from 'fast-check'
import { arbitraryBytes } from './api-bytes.ts'
import { type ApiClient, createApiClient } from './api-client.ts'
import { arbitraryRequest, type PlannedRequest } from './api-requests.ts'
import { faultOf, faultOfBytes } from './api-verdict.ts'

/** What to fuzz. */
export interface FuzzOptions {
  readonly baseUrl: string
  /** One lane runs for each, at the same time; each needs an account of its own. */
  readonly credentials: readonly { readonly clientId: string; readonly clientSecret: string }[]
  readonly requests: number
  readonly seed: number
  /** Ids of the catalogue that are quick to create from. */
  readonly images: readonly string[]
  /** Stops after this many violations. */
  readonly maxViolations?: number
}

/** What came of it. */
export interface FuzzVerdict {
  readonly seed: number
  readonly requests: number
  /** Number of answers by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Each names the request, so that it can be sent again. */
  readonly violations: readonly string[]
}

/** Sends the requests and judges every answer: no 5xx, every answer matches its schema, no effect of a refused request. */
export async function fuzzApi({ baseUrl, credentials, requests, seed, images, maxViolations = 20 }: FuzzOptions): Promise<FuzzVerdict> {
  using client = createApiClient(baseUrl)
  const statuses: Record<string, number> = {}
  const violations: string[] = []
  const report: Report = {
    count: (status) => {
      statuses[status] = (statuses[status] ?? 0) + 1
    },
    violate: (what) => violations.push(what),
    isFull: () => violations.length >= maxViolations,
  }
  const perLane = Math.ceil(requests / credentials.length)
  await Promise.all(
    credentials.map((keys, lane) => runLane(client, keys, lane, fc.sample(arbitraryRequest(images), { numRuns: perLane, seed: seed + lane }), report)),
  )
  const bytes = credentials[0]
    ? fc.sample(arbitraryBytes(credentials[0].clientId, credentials[0].clientSecret), { numRuns: Math.ceil(requests / 40), seed })
    : []
  for (let at = 0; at < bytes.length && !report.isFull(); at += 16) await Promise.all(bytes.slice(at, at + 16).map((one) => runBytes(client, one, report)))
  if ((await client.send({ method: 'GET', path: '/health' })).status !== 200) violations.push('the server is not healthy afterwards')
  return { seed, requests: perLane * credentials.length + bytes.length, statuses, violations }
}

interface Report {
  count(status: number | string): void
  violate(what: string): void
  isFull(): boolean
}

type Keys = FuzzOptions['credentials'][number]

async function runLane(client: ApiClient, keys: Keys, lane: number, plans: readonly PlannedRequest[], report: Report): Promise<void> {
  const own = { 'x-client-id': keys.clientId, 'x-client-secret': keys.clientSecret }
  let ids: readonly string[] = []
  let operationIds: readonly string[] = []
  let before = await snapshot(client, own)
  for (const plan of plans) {
    if (report.isFull()) return
    const request = resolve(plan, { ids, operationIds }, own, lane)
    const answer = await client.send(request)
    report.count(answer.status)
    const label = `${request.method} ${request.path} ${(request.body ?? '').slice(0, 300)}`
    const fault = faultOf(request, answer)
    if (fault !== undefined) report.violate(`${label}: ${fault}`)
    if (!['POST', 'PUT', 'PATCH', 'DELETE'].includes(request.method)) continue
    const operationId = answer.headers['x-operation-id']
    if (typeof operationId === 'string') operationIds = [operationId, ...operationIds].slice(0, 20)
    const after = await snapshot(client, own)
    if (answer.status >= 400 && differ(before, after)) report.violate(`${label}: was refused with ${answer.status} and had an effect: ${before} → ${after}`)
    before = after
    ids = idsOf(after, ids)
  }
}

async function runBytes(client: ApiClient, bytes: Uint8Array, report: Report): Promise<void> {
  const text = await client.sendBytes(bytes)
  report.count(`raw ${/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 'none'}`)
  const fault = faultOfBytes(text)
  if (fault !== undefined) report.violate(`${JSON.stringify(Buffer.from(bytes).toString('latin1').slice(0, 300))}: ${fault}`)
}

interface Known {
  readonly ids: readonly string[]
  readonly operationIds: readonly string[]
}

const chosen = (from: readonly string[], index: number) => from[from.length === 0 ? 0 : index % from.length]

function resolve(plan: PlannedRequest, { ids, operationIds }: Known, own: Record<string, string>, lane: number) {
  const id = typeof plan.id === 'number' ? (chosen(ids, plan.id) ?? 'ws_aaaaaaaaaaaa') : plan.id
  const credentials = plan.credentials === 'own' ? own : plan.credentials === 'wrong' ? { ...own, 'x-client-secret': 'wrong' } : {}
  return {
    method: plan.method,
    path: plan.path
      .replace('_id_', id)
      .replaceAll('_operation_', typeof plan.id === 'number' ? (chosen(operationIds, plan.operationId) ?? 'op_aaaaaaaaaaaa') : plan.id),
    headers: { ...plan.headers, ...credentials },
    ...(plan.body === undefined ? {} : { body: plan.body }),
    // Wrong credentials come from addresses of their own: a server may count them.
    ...(plan.credentials === 'own' ? {} : { from: `127.0.${1 + lane}.${1 + (plan.path.length % 250)}` }),
  }
}

/** Those that exist, and one that did. */
function idsOf(snapshotText: string, earlier: readonly string[]): string[] {
  const ids = (JSON.parse(snapshotText) as { id: string }[]).map(({ id }) => id)
  const gone = earlier.find((id) => !ids.includes(id))
  return gone === undefined ? ids : [...ids, gone]
}

const moving = new Set<string>(movingStatuses)

/** What a request may have changed, as text; a state that moves by itself is left out. */
async function snapshot(client: ApiClient, own: Record<string, string>): Promise<string> {
  const { text } = await client.send({ method: 'GET', path: '/workspace?limit=100', headers: own })
  const { workspaces = [] } = JSON.parse(text) as { workspaces?: Record<string, unknown>[] }
  return JSON.stringify(
    workspaces.map(({ id, name, namespace, mode, resources, network, status, generation, expires_at, updated_at }) => ({
      id,
      name,
      namespace,
      mode,
      resources,
      network,
      // Whatever changes in a row changes the time of its last change.
      ...(moving.has(String(status)) ? { status: '*' } : { status, generation, expires_at, updated_at }),
    })),
  )
}

function differ(before: string, after: string): boolean {
  if (before === after) return false
  // A workspace that was moving may have arrived; only what stays is compared then.
  const plain = (text: string) => text.replaceAll(/,"(status|expires_at|updated_at)":"[^"]*"|,"generation":\d+/g, '')
  return before.includes('"status":"*"') ? plain(before) !== plain(after) : true
}
