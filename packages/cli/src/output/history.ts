/** Operations and events, for people. */
import type { Operation, WorkspaceEvent } from '@alcove/sdk'
import { type Column, renderFields } from './table.ts'
import { escapeText } from './text.ts'

/** Columns of the list of operations. */
export const operationColumns: readonly Column<Operation>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'VERB', value: ({ verb }) => verb },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'BEGAN', value: ({ created_at: began }) => began },
  { title: 'TOOK', value: (operation) => renderTook(operation) ?? '-', isNumber: true, isOptional: true },
  { title: 'BY', value: (operation) => renderOrigin(operation), shrinkTo: 8, isOptional: true },
  { title: 'ERROR', value: ({ error }) => (error === null ? '-' : `${error.code}: ${error.message}`), shrinkTo: 8, isOptional: true },
]

/** Renders an operation as fields, its steps one a line. */
export function renderOperation(operation: Operation): string {
  const { error } = operation
  return renderFields([
    ['id', operation.id],
    ['workspace', operation.workspace_id],
    ['verb', operation.verb],
    ['status', operation.status],
    ['by', renderOrigin(operation)],
    ['began', operation.created_at],
    ['took', renderTook(operation)],
    ['error', error === null ? undefined : `${error.message} (${error.code})`],
    ...operation.steps.map(({ name, at }) => ['step', `${at} ${name}`] as const),
  ])
}

/** Renders an event on one line: when, which workspace, what, who or what caused it, why. */
export function renderEvent(event: WorkspaceEvent): string {
  const { at, workspace_id: id, type, from, to } = event
  const what = from === to ? type : `${from ?? 'nothing'} > ${to ?? 'nothing'}`
  return `${escapeText(`${at}  ${id}  ${what.padEnd(whatWidth)}  ${renderOrigin(event)}: ${event.reason}`)}\n`
}

/** Width of the longest change of status there is, `resuming > stopping`. */
const whatWidth = 19

/** The key of whoever asked for it, else the rule that caused it. */
function renderOrigin({ cause, actor }: Pick<Operation, 'cause' | 'actor'>): string {
  return cause === 'request' ? actor : cause
}

function renderTook({ created_at: began, ended_at: ended }: Operation): string | undefined {
  return ended === null ? undefined : `${((Date.parse(ended) - Date.parse(began)) / 1000).toFixed(1)}s`
}
