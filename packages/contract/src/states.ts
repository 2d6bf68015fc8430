/**
 * The states of a workspace and the moves between them: the only place that knows the graph.
 * A gerund is moving and has a deadline; a participle or adjective stays. The drawing in ARCHITECTURE.md is generated from here.
 */

/** Every move that may be written, by the state it starts from. `gone` is the end: the row is removed. */
export const transitions = {
  creating: ['running', 'failed', 'deleting'],
  starting: ['running', 'failed', 'stopping', 'deleting'],
  running: ['pausing', 'stopping', 'stopped', 'deleting'],
  pausing: ['paused', 'running', 'stopping', 'stopped', 'deleting'],
  paused: ['resuming', 'stopping', 'stopped', 'deleting'],
  resuming: ['running', 'paused', 'stopping', 'stopped', 'deleting'],
  stopping: ['stopped', 'failed', 'deleting'],
  stopped: ['starting', 'deleting'],
  failed: ['creating', 'starting', 'stopping', 'deleting'],
  deleting: ['gone'],
} as const

/** A state that a row can hold. */
export type WorkspaceStatus = keyof typeof transitions

/** The states, in the order of a life. */
export const workspaceStatuses = Object.keys(transitions) as WorkspaceStatus[]

/** What the owner wants; written by verbs only. */
export const desiredStates = ['running', 'paused', 'stopped', 'deleted'] as const
export type DesiredState = (typeof desiredStates)[number]

/** States in which an action is under way. */
export const movingStatuses = ['creating', 'starting', 'pausing', 'resuming', 'stopping', 'deleting'] as const satisfies WorkspaceStatus[]

/** States in which a virtual machine has been told to run or to hold still: each is taken up again after a restart of the server. */
export const liveStatuses = ['running', 'pausing', 'paused', 'resuming'] as const satisfies WorkspaceStatus[]

/** States that hold a place in the running pool: there is, or may be, a virtual machine. */
export const runningPoolStatuses = ['creating', 'starting', 'running', 'pausing', 'paused', 'resuming', 'stopping'] as const satisfies WorkspaceStatus[]

/** Whether the graph has this move. */
export function canMove(from: WorkspaceStatus, to: WorkspaceStatus | 'gone'): boolean {
  return (transitions[from] as readonly string[]).includes(to)
}
