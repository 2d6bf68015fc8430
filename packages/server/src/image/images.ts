/** Images and disks on the host: immutable objects by digest, and one writable disk per workspace. */

/** Process defaults of an image, in the words of the OCI image specification. */
export interface ImageConfig {
  readonly Env: readonly string[]
  readonly Cmd: readonly string[]
  readonly Entrypoint: readonly string[]
  readonly WorkingDir: string
  readonly User: string
}

/** An image ready for use. */
export interface ImageObject {
  /** `sha256:` and 64 hex digits, over root file system and config. */
  readonly digest: string
  /** Path of the read-only root file system (erofs). */
  readonly rootfsPath: string
  readonly config: ImageConfig
  readonly sizeBytes: number
}

/** How far a build has come. */
export interface BuildProgress {
  readonly imageId: string
  readonly state: 'building' | 'ready' | 'failed'
  /** What is being done, for people. */
  readonly message: string
}

/** The image store of this host. */
export interface ImageStore {
  /** The object of a catalogue image, if it is there. */
  find(imageId: string): Promise<ImageObject | undefined>
  /** The object of a digest. @throws when it is not there or does not match its digest. */
  get(digest: string): Promise<ImageObject>
  /** The object of a catalogue image; builds it first if need be, once however many ask. Aborting ends the waiting, not the build. @throws IMAGE_UNAVAILABLE */
  ensure(imageId: string, options: { readonly signal: AbortSignal; readonly onProgress?: (progress: BuildProgress) => void }): Promise<ImageObject>
  /** State of each catalogue image on this host. */
  states(): Promise<
    ReadonlyMap<string, { readonly state: 'ready' | 'building' | 'absent' | 'failed'; readonly sizeBytes: number | null; readonly message: string }>
  >
  /** Removes what interrupted builds left, and objects no digest of `inUse` names and no catalogue image points to. */
  collect(inUse: ReadonlySet<string>): Promise<void>
}

/** The writable disks. */
export interface DiskStore {
  /** Makes the disk of a workspace: a copy of a small formatted file, extended to `sizeBytes`. Keeps an existing one, growing it if it is smaller. */
  ensure(path: string, sizeBytes: number): Promise<void>
}
