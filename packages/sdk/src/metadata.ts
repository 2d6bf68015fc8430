/** The calls about the metadata of a workspace: text by key, for its owner. */
import type { Caller, CallOptions, ChangeOptions } from './caller.ts'
import { path } from './path.ts'
import type { MetadataAnswer, MetadataRequest } from './types.gen.ts'

/** What the owner of a workspace noted about it. */
export interface Metadata {
  /** Gets all of it. */
  get(id: string, options?: CallOptions): Promise<MetadataAnswer['metadata']>
  /** Merges entries into what is there; null removes a key. @returns All of it. */
  set(id: string, entries: MetadataRequest['metadata'], options?: ChangeOptions): Promise<MetadataAnswer['metadata']>
}

/** Makes the methods. */
export function createMetadata({ read, change }: Caller): Metadata {
  return {
    get: async (id, options) => (await read<MetadataAnswer>(path`/workspace/${id}/metadata`, 'metadata', options)).metadata,
    async set(id, entries, options) {
      const call = { method: 'PUT', path: path`/workspace/${id}/metadata`, body: { metadata: entries }, expect: 'metadata' } as const
      return (await change<MetadataAnswer>(call, options)).metadata
    },
  }
}
