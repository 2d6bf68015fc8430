/** What the control plane asks of a host. The local runner is the one implementation; a remote one may follow. */
import type { GuestInfo, GuestStats } from '../guest/guest.ts'
import type { HostCapacity } from './host-capacity.ts'

/** Everything a boot depends on; complete before the first side effect. */
export interface BootSpec {
  readonly workspaceId: string
  readonly bootId: string
  readonly cpus: number
  readonly memoryMib: number
  readonly diskMib: number
  readonly imageDigest: string
  readonly slot: number
  readonly hostname: string
  readonly allowInternet: boolean
  /** Command given by the owner; `null` uses the image's own. A string is run by a shell. */
  readonly cmd: readonly string[] | string | null
  readonly env: readonly { readonly key: string; readonly value: string }[]
  /** Whether the boot ends when the start command runs, and not already when the agent answers. */
  readonly waitForInit: boolean
  readonly keepLogs: boolean
}

/** A VM that runs. */
export interface BootedVm {
  readonly workspaceId: string
  readonly bootId: string
  readonly startedAt: number
  /** Duration of each step, ms. */
  readonly timings: Readonly<Record<string, number>>
}

/** What reads of a running VM return. */
export interface VmReading {
  readonly info: GuestInfo
  readonly stats: GuestStats
  /** Share of the VM's CPUs in use on the host since the last reading, percent. */
  readonly cpuPercent: number
  readonly rxBytes: number
  readonly txBytes: number
}

/** A VM found on the host. */
export interface FoundVm {
  readonly workspaceId: string
  readonly bootId: string
}

/** A VM with what its network rules depend on, as the control plane wants them now. */
export interface VmLease extends FoundVm {
  readonly slot: number
  readonly allowInternet: boolean
}

/** What is on a host of one boot, be it alive or not: a process, control groups, a run directory, and in which slots a tap or rules. */
export interface BootTraces extends FoundVm {
  readonly slots: readonly number[]
}

/** What is on a host of workspaces. */
export interface HostInventory {
  /** Workspaces of which there is anything. */
  readonly workspaces: readonly string[]
  readonly boots: readonly BootTraces[]
}

/** What became of a VM that was to be taken up. `unknown`: neither alive nor proved gone; nothing may be concluded from it. */
export type Adoption = (FoundVm & { readonly state: 'held' | 'unknown' }) | (FoundVm & { readonly state: 'gone'; readonly end: VmEnd })

/** Why a VM ended without having been asked to. */
export type VmEndCause =
  | 'guest_poweroff'
  | 'guest_reboot'
  | 'guest_panic'
  /** SIGKILL, SIGTERM and the like, sent by somebody on the host. */
  | 'vmm_killed'
  /** Another signal, or an exit code other than 0. */
  | 'vmm_crashed'
  /** The kernel ended it for want of memory. */
  | 'oom'
  | 'init_failed'
  | 'host_reboot'
  /** Gone, and nothing is left that says how. */
  | 'lost'

/** How a VM ended. */
export interface VmEnd {
  /** What happened, for people. */
  readonly reason: string
  readonly cause: VmEndCause
  /** Exit code of the VMM; `null` when it ended by a signal, or nobody saw it. */
  readonly exitCode: number | null
  /** Signal that ended the VMM, such as `SIGSEGV`. */
  readonly signal: string | null
  /** Failure code of the row; `null` for a guest that powered off or rebooted by itself. */
  readonly failure: 'vm_exited' | 'vm_oom' | 'guest_panic' | 'init_failed' | 'host_reboot' | null
}

/** How a VM that is held is doing. `paused`: frozen on request; `host_disk`: the host took no more writes of its disk, and it stands until there is room. */
export interface VmHealth extends FoundVm {
  readonly state: 'ok' | 'paused' | 'host_disk' | 'unresponsive'
}

/** What this host offers. */
export interface HostInfo extends HostCapacity {
  readonly accel: 'kvm' | 'tcg'
  readonly accelReason: string
  readonly vmmVersion: string
}

/** Runs the VMs of one host. Every method is idempotent; names in `BootSpec` decide, not memory. */
export interface Runner {
  host(): Promise<HostInfo>
  /** Sets up what all VMs share. Boots wait for it, so calling it early only saves the first one's time. */
  prepare(): Promise<void>
  /** Address of the guest that holds a slot. */
  addressOf(slot: number): string
  /** Boots a VM; unwinds completely when it fails or `signal` aborts. A `service_unavailable` whose `reason` is `slot_taken`:
   * a VM that nobody knows uses the slot; another one may do. @throws service_unavailable VM_UNAVAILABLE CREATE_FAILED storage_full */
  boot(spec: BootSpec, signal: AbortSignal): Promise<BootedVm>
  /** Shuts a VM down in order, by force after `graceMs`; takes down its network. Keeps disk and logs. */
  shutdown(target: { readonly workspaceId: string; readonly slot: number | null }, graceMs: number): Promise<void>
  /** Freezes the CPUs of a VM. Idempotent, bounded in time. @throws vm_not_running when that boot does not run here; VM_UNAVAILABLE when it does not answer */
  pause(workspaceId: string, bootId: string): Promise<void>
  /** Lets a frozen VM go on, and tells its guest the time. Idempotent, bounded in time. @throws vm_not_running VM_UNAVAILABLE as {@link pause} */
  resume(workspaceId: string, bootId: string): Promise<void>
  /** Removes everything of a workspace: VM, network, disk, logs, directory. */
  destroy(target: { readonly workspaceId: string; readonly slot: number | null }): Promise<void>
  /** Takes up the known VMs that live and are not held yet; says of each what became of it. */
  adopt(known: readonly FoundVm[]): Promise<readonly Adoption[]>
  /** What is on this host of workspaces: processes, taps, rules, control groups, directories. Rejects when it cannot all be read. */
  inventory(): Promise<HostInventory>
  /** Removes what one boot left, and nothing of any other: what has changed its owner meanwhile stays. Idempotent. @throws conflict STOP_FAILED while something of it lives */
  discard(boot: BootTraces): Promise<void>
  /** VMM processes of this installation, whether a row explains them or not. */
  processes(): Promise<readonly FoundVm[]>
  /** Live reading of a VM; `undefined` when it does not run, is frozen or does not answer. */
  read(workspaceId: string): Promise<VmReading | undefined>
  logs(workspaceId: string, source: 'boot' | 'cmd', tailLines: number): Promise<string>
  /** Changes the network rules of a running VM. */
  updateNetwork(target: VmLease): Promise<void>
  /** Brings the rules of the VMs that this process holds in line with `wanted`, whoever changed them. */
  verifyNetwork(wanted: readonly VmLease[]): Promise<void>
  /** Asks every VM that this process holds how it is doing; one that stands for want of disk space is let go on. */
  checkHealth(): Promise<readonly VmHealth[]>
  /** Called once for each VM that ends without having been asked to. */
  onExit(listener: (vm: FoundVm, end: VmEnd) => void): void
  /** Lets go of all VMs without touching them. */
  close(): void
}
