/** Faults of the whole process, for tests only: signals that make the daemon do what a bug in it might. */

/** Takes signals as orders for faults. */
export function installTestFaults(): void {
  for (const [signal, fault] of Object.entries(faults)) process.on(signal, fault)
}

const faults = {
  /** The event loop stands still. */
  SIGUSR2() {
    for (;;);
  },
  SIGPWR() {
    throw new Error('test fault: thrown')
  },
  SIGIO() {
    void Promise.reject(new Error('test fault: rejected'))
  },
} satisfies Partial<Record<NodeJS.Signals, () => void>>
