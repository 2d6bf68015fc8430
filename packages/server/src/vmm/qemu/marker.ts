/** The mark a VMM process carries on its command line, so that it is found and recognised without any memory of it. */

/** Which VM a process is. */
export interface Marker {
  readonly installId: string
  readonly workspaceId: string
  readonly bootId: string
}

/** Ids that may stand in arguments, paths and names: no comma, no colon, no slash, no leading dash. */
const safeId = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/

/** Renders the mark. @throws RangeError when an id holds a character that could mean something to a shell, a path or QEMU */
export function renderMarker({ installId, workspaceId, bootId }: Marker): string {
  for (const id of [installId, workspaceId, bootId]) if (!safeId.test(id)) throw new RangeError(`unsafe id: ${JSON.stringify(id.slice(0, 80))}`)
  return `alcove:${installId}:${workspaceId}:${bootId}`
}

/**
 * Reads the mark off a command line. Only QEMU itself has `-name` as its first argument; the launcher's programs carry the same
 * words further back and are not VMMs.
 */
export function parseMarker(argv: readonly string[]): Marker | undefined {
  if (argv[1] !== '-name') return undefined
  const [tag, installId, workspaceId, bootId, ...rest] = (argv[2] ?? '').split(':')
  if (tag !== 'alcove' || !installId || !workspaceId || !bootId || rest.length > 0) return undefined
  return [installId, workspaceId, bootId].every((id) => safeId.test(id)) ? { installId, workspaceId, bootId } : undefined
}

/** Whether two marks name the same boot. */
export function isSameBoot(a: Marker | undefined, b: Marker): boolean {
  return a !== undefined && a.installId === b.installId && a.workspaceId === b.workspaceId && a.bootId === b.bootId
}
