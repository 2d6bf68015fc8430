/** What the contract server remembers of changes, and the stream of it. */
import type { ServerResponse } from 'node:http'
import { Event, type EventView, type OperationVerb, type OperationView } from '@alcove/contract'
import Value from 'typebox/value'

/** Operations and events in the order in which they came. */
export interface ContractHistory {
  readonly operations: OperationView[]
  readonly events: EventView[]
  /** Adds an event, and sends it down every open stream. */
  addEvent(fields?: Partial<EventView>): EventView
  /** Adds a finished operation with its event. */
  record(verb: OperationVerb, change: Pick<EventView, 'workspace_id' | 'type' | 'from' | 'to'>): OperationView
  /** Begins a stream behind an event; without one it begins now. */
  stream(response: ServerResponse, after: string | undefined): void
  /** Open streams: a test may write to them or break them. */
  readonly streams: Set<ServerResponse>
}

const at = '2026-02-24T10:30:00Z'

/** Makes an empty history. */
export function createContractHistory(): ContractHistory {
  const history: ContractHistory = {
    operations: [],
    events: [],
    streams: new Set(),
    addEvent(fields = {}) {
      const event: EventView = { ...sampleEvent, id: String(history.events.length + 1), ...fields }
      if (!Value.Check(Event, event)) throw new Error('test server: an event is against the contract')
      history.events.push(event)
      for (const stream of history.streams) send(stream, event)
      return event
    },
    record(verb, change) {
      const id = `op_${String(history.operations.length + 1).padStart(12, 'a')}`
      const operation: OperationView = {
        id,
        workspace_id: change.workspace_id,
        verb,
        status: 'succeeded',
        actor: 'key_test',
        cause: 'request',
        steps: [{ name: change.to ?? verb, at }],
        error: null,
        created_at: at,
        ended_at: at,
      }
      history.operations.push(operation)
      history.addEvent({ ...change, operation_id: id })
      return operation
    },
    stream(response, after) {
      const from = after === undefined ? history.events.length : Number(after)
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write(`: stream of the account\nid: ${from}\n\n`)
      for (const event of history.events.slice(from)) send(response, event)
      history.streams.add(response)
      response.on('close', () => history.streams.delete(response))
    },
  }
  return history
}

function send(stream: ServerResponse, event: EventView): void {
  stream.write(`id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
}

const sampleEvent: EventView = {
  id: '1',
  workspace_id: 'ws_aaaaaaaaaaa1',
  at,
  type: 'status',
  from: null,
  to: null,
  boot_id: null,
  actor: 'key_test',
  cause: 'request',
  reason: 'asked for',
  operation_id: null,
  data: null,
}
