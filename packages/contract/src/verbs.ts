/**
 * What each verb does to a workspace, by the state it finds: the only place that decides it. The tests of all pairs and the table in
 * `docs/operations.md` are made from here.
 */
import type { WorkspaceStatus } from './states.ts'

/**
 * `acts`: the verb is done now. `done`: it is so already; success without an effect. `joins`: the same action is under way; its outcome is
 * the answer. `waits`: for the action in progress, then it is decided anew. `preempts`: the action in progress is given up.
 * `refuses`: 409 with the state, and the action in progress if there is one.
 */
export type Outcome = 'acts' | 'done' | 'joins' | 'waits' | 'preempts' | 'refuses'

type Row = Readonly<Record<WorkspaceStatus, Outcome>>

/** What is done with a workspace at somebody's request. */
export const verbOutcomes = {
  start: {
    creating: 'waits',
    starting: 'joins',
    running: 'done',
    pausing: 'waits',
    paused: 'acts',
    resuming: 'waits',
    stopping: 'waits',
    stopped: 'acts',
    failed: 'acts',
    deleting: 'refuses',
  },
  stop: {
    creating: 'waits',
    starting: 'preempts',
    running: 'acts',
    pausing: 'waits',
    paused: 'acts',
    resuming: 'waits',
    stopping: 'joins',
    stopped: 'done',
    failed: 'acts',
    deleting: 'refuses',
  },
  restart: {
    creating: 'waits',
    starting: 'waits',
    running: 'acts',
    pausing: 'waits',
    paused: 'acts',
    resuming: 'waits',
    stopping: 'waits',
    stopped: 'acts',
    failed: 'acts',
    deleting: 'refuses',
  },
  pause: {
    creating: 'waits',
    starting: 'waits',
    running: 'acts',
    pausing: 'joins',
    paused: 'done',
    resuming: 'waits',
    stopping: 'waits',
    stopped: 'refuses',
    failed: 'refuses',
    deleting: 'refuses',
  },
  resume: {
    creating: 'waits',
    starting: 'waits',
    running: 'done',
    pausing: 'waits',
    paused: 'acts',
    resuming: 'joins',
    stopping: 'waits',
    stopped: 'refuses',
    failed: 'refuses',
    deleting: 'refuses',
  },
  /** `provisioning/retry`: a first boot that failed is done again; any other failed workspace is started. */
  retry: {
    creating: 'joins',
    starting: 'waits',
    running: 'done',
    pausing: 'refuses',
    paused: 'refuses',
    resuming: 'refuses',
    stopping: 'refuses',
    stopped: 'refuses',
    failed: 'acts',
    deleting: 'refuses',
  },
  delete: {
    creating: 'preempts',
    starting: 'preempts',
    running: 'acts',
    pausing: 'preempts',
    paused: 'acts',
    resuming: 'preempts',
    stopping: 'preempts',
    stopped: 'acts',
    failed: 'acts',
    deleting: 'joins',
  },
  /** Update, resources, metadata and lifecycle settings: one transaction, whatever goes on. */
  settings: {
    creating: 'acts',
    starting: 'acts',
    running: 'acts',
    pausing: 'acts',
    paused: 'acts',
    resuming: 'acts',
    stopping: 'acts',
    stopped: 'acts',
    failed: 'acts',
    deleting: 'refuses',
  },
} as const satisfies Readonly<Record<string, Row>>

/** A verb of the table. */
export type Verb = keyof typeof verbOutcomes

/** What a verb does to a workspace in a state. */
export function outcomeOf(verb: Verb, status: WorkspaceStatus): Outcome {
  return verbOutcomes[verb][status]
}
