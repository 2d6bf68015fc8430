/** Names of everything an install owns in the kernel. Each contains the install id or a hash of it, so that two installs never meet. */
import { createHash } from 'node:crypto'

/** Kernel names of one install. */
export interface InstallNames {
  readonly installId: string
  /** Name of the network namespace. */
  readonly namespace: string
  /** File that holds the namespace. */
  readonly namespacePath: string
  /** nft table of the install on the host side. */
  readonly hostTable: string
  /** Host end of the veth pair, at most 15 bytes. */
  readonly veth: string
  /** First part of each alias and comment. */
  readonly owner: string
  /** Where the search for free transfer addresses starts; 32 bits. */
  readonly hash: number
}

/** Name of the other end of the veth pair, inside the namespace. */
export const uplink = 'uplink'

/** How the host end of every install's veth pair starts. */
export const vethPrefix = 'alv'

/** Derives the names of an install. @throws RangeError when the id could not be part of a name. */
export function installNames(installId: string): InstallNames {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(installId)) throw new RangeError('the install id must have 1 to 64 letters, digits, hyphens or underscores')
  const digest = createHash('sha256').update(installId).digest()
  const namespace = `alcove-${installId}`
  return {
    installId,
    namespace,
    namespacePath: `/run/netns/${namespace}`,
    // nft identifiers know no hyphen; a dot is not used by ids, so that the name stays unique.
    hostTable: `alcove_${installId.replaceAll('-', '.')}`,
    veth: `${vethPrefix}${digest.toString('hex').slice(0, 10)}`,
    owner: `alcove:${installId}`,
    hash: digest.readUInt32BE(16),
  }
}

/** The alias of a tap and the comment of its nft elements. @throws RangeError for ids that could break the format. */
export function renderOwner(names: InstallNames, lease: { readonly workspaceId: string; readonly bootId: string }): string {
  for (const id of [lease.workspaceId, lease.bootId]) if (!/^[A-Za-z0-9_-]{1,24}$/.test(id)) throw new RangeError(`no id: ${JSON.stringify(id)}`)
  return `${names.owner}:${lease.workspaceId}:${lease.bootId}`
}

/** Reads an alias back; `undefined` when it is not of this install. */
export function parseOwner(names: InstallNames, alias: string | undefined): { readonly workspaceId: string; readonly bootId: string } | undefined {
  const [product, installId, workspaceId, bootId, ...rest] = (alias ?? '').split(':')
  if (`${product}:${installId}` !== names.owner || !workspaceId || !bootId || rest.length > 0) return undefined
  return { workspaceId, bootId }
}
