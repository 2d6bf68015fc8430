/** What the census finds: one leak each, told so that a person can look at the same thing and mend it. */

/** What must hold on every host, by number. */
export const invariants = {
  N1: { name: 'processes', holds: 'one live VM per workspace that should run, none for any other' },
  N2: { name: 'identity', holds: 'each VM is the one its record names: host boot, pid, start time, user, lock' },
  N3: { name: 'links', holds: 'network devices are those of the rows' },
  N4: { name: 'rules', holds: 'packet filter rules are those that follow from the rows' },
  N5: { name: 'flows', holds: 'no tracked connection of an address without an owner' },
  N6: { name: 'cgroups', holds: 'control groups are those of the rows' },
  N7: { name: 'files', holds: 'disks, sockets, records and logs are those of the rows; no old temporary file' },
  N8: { name: 'images', holds: 'each image a row or a name stands for is there, whole' },
  N9: { name: 'allocations', holds: 'each slot (address, MAC, user) has one owner, and that one exists' },
  N10: { name: 'usage', holds: 'usage that is shown is the sum over the rows' },
  N11: { name: 'deadlines', holds: 'nothing is under way past its deadline' },
  N12: { name: 'mounts', holds: 'no mount or loop device in the data directory' },
  N13: { name: 'control plane', holds: 'the daemon listens where it is told, has no zombie and no needless descriptor' },
  N14: { name: 'database', holds: 'the database is whole, its references and its audit chain too' },
} as const

/** Number of an invariant. */
export type Invariant = keyof typeof invariants

/** One thing that is not as it must be. */
export interface Finding {
  readonly invariant: Invariant
  /** What it is about; the same at each look, such as `tap vm3` or `ws_… process 4711`. */
  readonly object: string
  /** What is wrong with it. */
  readonly message: string
  /** What mends it. */
  readonly remedy: string
  /** Facts, for programs. */
  readonly evidence: Readonly<Record<string, unknown>>
}

/** What a comparison says. */
export interface Judgement {
  readonly findings: readonly Finding[]
  /** How many of what were looked at. */
  readonly checked: Readonly<Record<string, number>>
}

/** Makes the function that notes findings of one invariant. */
export function notes(invariant: Invariant): {
  readonly findings: Finding[]
  add(object: string, message: string, remedy: string, evidence?: Readonly<Record<string, unknown>>): void
} {
  const findings: Finding[] = []
  return { findings, add: (object, message, remedy, evidence = {}) => void findings.push({ invariant, object, message, remedy, evidence }) }
}
