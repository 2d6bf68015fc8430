/** What runs virtual machines. QEMU is one implementation, the fake another; one conformance suite holds both. */

/** What this host can run. */
export interface Fingerprint {
  readonly accel: 'kvm' | 'tcg'
  /** Why this accelerator, for `doctor` and the log. */
  readonly reason: string
  /** Version of the VMM, such as `7.2.22`. */
  readonly version: string
}

/** Everything a launch needs. Paths are absolute; the driver creates nothing outside `runDir` and `logDir`. */
export interface LaunchSpec {
  readonly installId: string
  readonly workspaceId: string
  readonly bootId: string
  /** Directory of this boot: sockets and launcher state. Exists without anything of a VM in it, 0700, owned by root. Its path has at most 89 bytes. */
  readonly runDir: string
  /** Directory of the workspace's logs; exists, owned by root. */
  readonly logDir: string
  /** Lock file that the VM holds for life: one per workspace, so a second VM of the workspace cannot start. */
  readonly lockPath: string
  /** Unprivileged user (and group) id of the VM, unique on this host. */
  readonly uid: number
  readonly cpus: number
  readonly memoryMib: number
  readonly kernelPath: string
  readonly initrdPath: string
  /** Read-only root image (erofs). Readable by everybody. */
  readonly imagePath: string
  /** Writable disk (raw). The driver gives it to `uid`. */
  readonly diskPath: string
  /** Hardware address of the NIC. */
  readonly mac: string
}

/** All that is needed to find a VM again after a restart. JSON, versioned, written to disk by the runner. */
export interface VmHandle {
  readonly version: 1
  readonly installId: string
  readonly workspaceId: string
  readonly bootId: string
  /** Boot id of the host: a pid of another host boot means nothing. */
  readonly hostBootId: string
  /** Pid of the VMM on the host and its start time (field 22 of /proc/PID/stat). */
  readonly pid: number
  readonly startTicks: number
  readonly uid: number
  readonly runDir: string
  readonly agentSocket: string
  readonly lockPath: string
  /** Cgroup directories the VM was put into; empty where the host has none. */
  readonly cgroups: readonly string[]
}

/** How a VM ended, as far as the host can tell. */
export interface VmExit {
  /**
   * `poweroff`: the guest asked; `reset`: reset or panic of the guest; `killed`: SIGKILL, SIGTERM and the like, sent by somebody;
   * `crashed`: another signal, or an exit code other than 0; `oom`: the kernel ended it for want of memory; `quit`: on our request;
   * `host_reboot`: the host was restarted since; `lost`: gone, nobody saw how.
   */
  readonly cause: 'poweroff' | 'reset' | 'killed' | 'crashed' | 'oom' | 'quit' | 'host_reboot' | 'lost'
  /** What is known, for people. */
  readonly detail: string
  /** Exit code of the VMM; `null` when it ended by a signal, or nobody saw it. */
  readonly exitCode: number | null
  /** Signal that ended the VMM, such as `SIGSEGV`. */
  readonly signal: string | null
}

/** A live virtual machine. */
export interface Vm {
  readonly handle: VmHandle
  /** Lets the virtual CPUs run. Idempotent. @throws VM_UNAVAILABLE when the VMM does not answer in time */
  resume(): Promise<void>
  /** Freezes the virtual CPUs; resolves when the VMM says that they stand. Idempotent. @throws VM_UNAVAILABLE when it does not answer in time */
  pause(): Promise<void>
  /**
   * Run state as the VMM tells it: `running`; `paused` once {@link pause} was asked for, by whichever process; `io-error` when the host took
   * no more writes. Rejects when it does not answer in time.
   */
  status(): Promise<string>
  /** Ends the VM at once and waits until the process is proved dead. Idempotent. */
  kill(): Promise<void>
  /** CPU time used by the VM on the host, ns. */
  cpuTimeNs(): Promise<number>
  /** Resolves when the VM is gone, once, however it ended. */
  readonly exited: Promise<VmExit>
  /** Lets go of the VM without touching it: closes sockets and watchers. */
  release(): void
}

/** What says how a VM ended. `hostBootId` is `undefined` where it was lost. */
export type VmRemains = Pick<VmHandle, 'workspaceId' | 'bootId' | 'runDir' | 'lockPath' | 'cgroups'> & { readonly hostBootId: string | undefined }

/** Starts virtual machines and finds them again. */
export interface VmmDriver {
  /** Probes the host once; later calls return the first answer. */
  fingerprint(): Promise<Fingerprint>
  /** Starts a VM with its CPUs stopped and its tap `tap0` in the network namespace of the VMM's process. Leaves nothing when it fails. */
  launch(spec: LaunchSpec, signal: AbortSignal): Promise<Vm>
  /** Takes up a VM that runs already; `undefined` when it is proved gone. Does not wait for the VMM: one that hangs is taken up as fast. */
  attach(handle: VmHandle): Promise<Vm | undefined>
  /** How a VM ended that is proved gone, from what it left on the host; to be asked before {@link reclaim}. */
  exitOf(handle: VmRemains): Promise<VmExit>
  /** Makes the handle of a VM that lives anew, from its process, for one whose handle was lost; `undefined` when no such VM lives. */
  findHandle(boot: Pick<VmHandle, 'workspaceId' | 'bootId' | 'runDir' | 'lockPath'>): Promise<VmHandle | undefined>
  /** Removes what a dead VM may have left: cgroups, sockets. Refuses while the lock is held. Idempotent. */
  reclaim(handle: Pick<VmHandle, 'workspaceId' | 'bootId' | 'runDir' | 'lockPath' | 'cgroups'>): Promise<void>
  /** Every VMM process of this install on this host, whether a row explains it or not. Rejects when not all processes can be looked at. */
  inventory(): Promise<readonly VmProcess[]>
  /** Boots of this install that have control groups on this host, whether their VM lives or not. */
  groups(): Promise<readonly Pick<VmHandle, 'workspaceId' | 'bootId'>[]>
  /** Removes what a boot left that has no process any more, while another VM of its workspace may run. Ends nothing. Idempotent. @throws conflict while a process of it lives */
  discard(boot: Pick<VmHandle, 'workspaceId' | 'bootId' | 'runDir'>): Promise<void>
  /** A VMM process of this install that runs as a user, if there is one: two VMs must never be the same user. */
  findByUid(uid: number): Promise<VmProcess | undefined>
  /** Ends a process of the inventory and all that belongs to it, after proving once more that it is the one that was found. Idempotent. */
  killProcess(found: VmProcess): Promise<void>
}

/** A VMM process found on the host. */
export interface VmProcess {
  readonly pid: number
  readonly startTicks: number
  readonly workspaceId: string
  readonly bootId: string
}
