/** The VMs this process holds: what a restart forgets, and adoption finds again. */
import type { GuestClient } from '../guest/guest.ts'
import type { Vm, VmExit } from '../vmm/driver.ts'
import type { BootSpec, FoundVm } from './runner.ts'

/** A VM held by this process. */
export interface LiveVm {
  readonly spec: BootSpec
  readonly vm: Vm
  /** Connection to the agent; `undefined` until there is one, or after it broke. */
  guest: GuestClient | undefined
  /** Host CPU time and the moment of the last reading, for the share since then. */
  lastReading: { cpuTimeNs: number; at: number } | undefined
  /** What is being done to end it; an end that was asked for is not reported. */
  ending: boolean
}

/** The VMs by workspace, and who wants to know of their end. */
export class LiveVms {
  readonly #vms = new Map<string, LiveVm>()
  readonly #listeners: ((vm: FoundVm, exit: VmExit) => void)[] = []

  get(workspaceId: string): LiveVm | undefined {
    return this.#vms.get(workspaceId)
  }

  all(): LiveVm[] {
    return [...this.#vms.values()]
  }

  onExit(listener: (vm: FoundVm, exit: VmExit) => void): void {
    this.#listeners.push(listener)
  }

  /** Holds a VM and reports its end once, unless it was asked for. */
  add(live: LiveVm): void {
    const { workspaceId, bootId } = live.spec
    this.#vms.set(workspaceId, live)
    void live.vm.exited.then((exit) => {
      live.guest?.close()
      if (this.#vms.get(workspaceId) !== live) return
      this.#vms.delete(workspaceId)
      if (live.ending) return
      for (const listener of this.#listeners) listener({ workspaceId, bootId }, exit)
    })
  }

  /** Lets go of all VMs without touching them. */
  releaseAll(): void {
    for (const live of this.#vms.values()) {
      live.guest?.close()
      live.vm.release()
    }
    this.#vms.clear()
  }
}
