/** The VMs this process holds: what a restart forgets, and adoption finds again. */
import type { GuestClient } from '../guest/guest.ts'
import type { NetworkLease } from '../network/network.ts'
import type { Vm, VmExit } from '../vmm/driver.ts'
import type { BootSpec } from './runner.ts'

/** A VM held by this process. */
export interface LiveVm {
  readonly spec: BootSpec
  readonly vm: Vm
  /** Connection to the agent; `undefined` until there is one, or after it broke. */
  guest: GuestClient | undefined
  /** What its network rules allow now; the boot's value until an update. */
  allowInternet: boolean
  /** Host CPU time and the moment of the last reading, for the share since then. */
  lastReading: { cpuTimeNs: number; at: number } | undefined
  /** Checks in a row that it did not answer. */
  missedChecks: number
  /** Whether it is frozen on request, as far as this process knows: the VMM has the last word. */
  isPaused: boolean
  /** Why we ended it: the guest could not be initialised. */
  initFailure: string | undefined
  /** Whether it is being ended on request; such an end is not reported. */
  isEnding: boolean
}

/** A VM as it is held from now on. */
export function liveVm(spec: BootSpec, vm: Vm, guest?: GuestClient): LiveVm {
  const unknown = { lastReading: undefined, missedChecks: 0, isPaused: false, initFailure: undefined, isEnding: false }
  return { spec, vm, guest, allowInternet: spec.allowInternet, ...unknown }
}

/** The network lease of a VM as it should be now. */
export function leaseOf({ spec: { workspaceId, bootId, slot }, allowInternet }: LiveVm): NetworkLease {
  return { workspaceId, bootId, slot, allowInternet }
}

/** The VMs by workspace, and who wants to know of their end. */
export class LiveVms {
  readonly #vms = new Map<string, LiveVm>()
  readonly #listeners: ((live: LiveVm, exit: VmExit) => void)[] = []

  get(workspaceId: string): LiveVm | undefined {
    return this.#vms.get(workspaceId)
  }

  /** Those that nobody is ending. */
  all(): LiveVm[] {
    return [...this.#vms.values()].filter((live) => !live.isEnding)
  }

  onExit(listener: (live: LiveVm, exit: VmExit) => void): void {
    this.#listeners.push(listener)
  }

  /** Holds a VM and reports its end once, unless it was asked for. */
  add(live: LiveVm): void {
    this.#vms.set(live.spec.workspaceId, live)
    void live.vm.exited.then((exit) => {
      if (this.#vms.get(live.spec.workspaceId) !== live) return
      this.remove(live)
      if (live.isEnding) return
      for (const listener of this.#listeners) listener(live, exit)
    })
  }

  /** Lets go of a VM that is proved dead. */
  remove(live: LiveVm): void {
    live.guest?.close()
    live.vm.release()
    if (this.#vms.get(live.spec.workspaceId) === live) this.#vms.delete(live.spec.workspaceId)
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
