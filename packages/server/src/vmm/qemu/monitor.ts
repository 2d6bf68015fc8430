/** The driver's way to a VM's monitors: one connection at a time, made again when it was lost, by the second door if the first is taken. */
import type { Clock } from '../../lib/clock.ts'
import { fail } from '../../lib/fail.ts'
import { connectQmp, type QmpClient, QmpError } from './qmp/client.ts'

/** Time for one door, ms. Both together stay below the 5 s an adoption may take. */
const doorTimeoutMs = 1500

/** A monitor that may be lost and found. */
export interface Monitor {
  /** Runs `command` on a live connection. @throws VM_UNAVAILABLE when the VM does not answer in time or refuses */
  use<T>(command: (client: QmpClient) => Promise<T>): Promise<T>
  /** Connects now. Rejects when no door opens in time. */
  connect(signal?: AbortSignal): Promise<void>
  close(): void
}

/** What a monitor tells its owner. */
export interface MonitorEvents {
  readonly onEvent: (name: string, data: Readonly<Record<string, unknown>>) => void
  /** The connection ended, not on our request. */
  readonly onLost: () => void
}

/** Manages the connection to the monitors at `sockets`. */
export function createMonitor(sockets: readonly string[], clock: Clock, events: MonitorEvents): Monitor {
  let connecting: Promise<QmpClient> | undefined
  let isClosed = false

  const open = async (signal?: AbortSignal): Promise<QmpClient> => {
    const failures: unknown[] = []
    for (const path of sockets) {
      try {
        return await connectQmp({ path, clock, timeoutMs: doorTimeoutMs, onEvent: events.onEvent, ...(signal ? { signal } : {}) })
      } catch (error) {
        signal?.throwIfAborted()
        failures.push(error)
      }
    }
    throw new AggregateError(failures, 'no monitor answers')
  }
  const client = (signal?: AbortSignal): Promise<QmpClient> => {
    if (isClosed) return Promise.reject(new Error('monitor was released'))
    connecting ??= open(signal).then(
      (opened) => {
        if (isClosed) opened.close()
        void opened.closed.then(() => {
          connecting = undefined
          if (!isClosed) events.onLost()
        })
        return opened
      },
      (error) => {
        connecting = undefined
        throw error
      },
    )
    return connecting
  }
  return {
    async use(command) {
      try {
        return await command(await client())
      } catch (error) {
        const message = error instanceof QmpError ? 'The virtual machine refused the command.' : 'The virtual machine monitor does not answer.'
        return fail('VM_UNAVAILABLE', { message, cause: error })
      }
    },
    connect: async (signal) => void (await client(signal)),
    close() {
      isClosed = true
      // A connection still being made closes itself when it is there.
      connecting?.then(
        (opened) => opened.close(),
        () => {},
      )
    },
  }
}
