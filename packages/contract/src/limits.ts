/** The numbers of the contract. A plan may narrow them, never widen them. */
export const limits = {
  /** Virtual CPUs of a workspace. */
  cpus: { min: 1, max: 32, default: 1 },
  /** Memory of a workspace, MiB. */
  memory_mb: { min: 128, max: 65_536, default: 512 },
  /** Writable disk of a workspace, MiB. */
  writable_size_mb: { min: 64, max: 204_800, default: 512 },
  /** Characters of a display name. */
  nameChars: 255,
  /** Characters of a namespace. */
  namespaceChars: 128,
  /** Entries of `config.env`. */
  envEntries: 256,
  /** Characters of one environment value. */
  envValueChars: 32_768,
  /** Entries of `config.cmd`. */
  cmdEntries: 256,
  /** Characters of one argument. */
  cmdChars: 32_768,
  /** Entries of `config.workloads`. */
  workloads: 64,
  /** Entries of one firewall list. */
  firewallEntries: 50,
  /** Workspaces on a page of the list. */
  pageSize: { default: 20, max: 100 },
  /** Lines of a log answer. */
  tailLines: { default: 100, max: 10_000 },
  /** Bytes of a request body. */
  bodyBytes: 1_048_576,
  /** Levels of nesting of a request body. */
  bodyDepth: 32,
  /** Keys of all objects of a request body together. */
  bodyKeys: 10_000,
  /** Bytes of all request headers together. */
  headerBytes: 16_384,
  /** Characters of an idempotency key. */
  idempotencyKeyChars: 255,
  /** Idempotency keys of one account that are remembered at a time. */
  idempotencyKeys: 100_000,
  /** Seconds of a time to live: up to ten years. */
  ttlSeconds: { min: 1, max: 315_360_000 },
  /** Seconds without activity after which a workspace may sleep, and after which a sleeping one may be stopped; 0 is never. */
  idle: { suspendAfter: { min: 120, max: 31_536_000 }, stopAfter: { min: 3_600, max: 31_536_000 } },
  /** Entries of a workspace's metadata. */
  metadataEntries: 64,
  /** Characters of a metadata key. */
  metadataKeyChars: 128,
  /** Characters of a metadata value. */
  metadataValueChars: 4_096,
  /** Event streams of one account that are open at a time. */
  eventStreams: 16,
} as const
