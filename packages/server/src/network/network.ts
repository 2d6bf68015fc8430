/** The network of the VMs: one namespace, one routed tap per VM, one ruleset. */

/** What the rules of one VM depend on. */
export interface NetworkLease {
  readonly workspaceId: string
  readonly bootId: string
  /** Place in the address pool, 1 to 65535; address, MAC and tap name derive from it. */
  readonly slot: number
  readonly allowInternet: boolean
}

/** Names and addresses that follow from a slot. */
export interface SlotNames {
  /** Name of the tap, at most 15 bytes. */
  readonly tap: string
  /** Address of the guest in 10.0.0.0/8, a /32. */
  readonly ip: string
  readonly mac: string
}

/** What the guest must set on its NIC. */
export interface GuestNetwork {
  readonly ip: string
  readonly prefix: 32
  readonly gateway: string
  readonly mac: string
  readonly mtu: number
  readonly nameservers: readonly string[]
}

/** A tap of this install found on the host, or rules for one. */
export interface TapRecord {
  readonly tap: string
  readonly workspaceId: string
  readonly bootId: string
}

/** Sets up, changes and takes down the network of VMs. */
export interface Network {
  /** Makes namespace, uplink and base ruleset, or repairs them. Idempotent. */
  ensure(): Promise<void>
  /** What the guest of a lease must set. */
  guestConfig(lease: NetworkLease): GuestNetwork
  /** Moves `tap0` out of the VMM's network namespace into ours and opens it: rules first, link up last. Starts by resetting the slot. */
  attach(lease: NetworkLease, vmmPid: number): Promise<void>
  /** Changes the rules of a running VM in one transaction, also for established flows. */
  update(lease: NetworkLease): Promise<void>
  /** Compares the rules in the kernel with what the leases need, and repairs them. */
  verify(leases: readonly NetworkLease[]): Promise<'ok' | 'repaired'>
  /** Workspace of this install whose tap is in a slot. */
  findHolder(slot: number): Promise<string | undefined>
  /** Takes down rules, flows and tap of a lease. Idempotent. */
  detach(lease: Pick<NetworkLease, 'workspaceId' | 'slot'>): Promise<void>
  /** Taps of this install on this host, and places of taps for which the packet filter lets traffic through. */
  inventory(): Promise<readonly TapRecord[]>
  /** Removes the tap and the rules in a slot if they are those of this very boot. Idempotent. */
  discard(found: Pick<NetworkLease, 'workspaceId' | 'bootId' | 'slot'>): Promise<void>
  /** Bytes that went through the tap, from the VM's point of view. */
  counters(slot: number): Promise<{ readonly rxBytes: number; readonly txBytes: number }>
  /** Removes the namespace and everything else of this install. */
  destroy(): Promise<void>
}
