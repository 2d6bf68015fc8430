/** What the VM runs at its start: the owner's command and environment over those of the image. */
import type { GuestStart } from '../guest/guest.ts'
import type { ImageConfig } from '../image/images.ts'
import type { BootSpec } from './runner.ts'

/** The start command of a boot, or `null` when neither owner nor image names one. */
export function resolveStart(spec: Pick<BootSpec, 'cmd' | 'env'>, image: ImageConfig): GuestStart | null {
  const argv = resolveArgv(spec.cmd, image)
  if (argv.length === 0) return null
  return { argv, env: resolveEnvironment(spec.env, image), cwd: image.WorkingDir || '/', user: image.User || 'root' }
}

/** As in OCI runtimes: the owner's command replaces `Cmd`; a string is run by a shell and leaves the entrypoint out. */
function resolveArgv(cmd: BootSpec['cmd'], image: ImageConfig): readonly string[] {
  if (typeof cmd === 'string') return ['/bin/sh', '-c', cmd]
  return [...image.Entrypoint, ...(cmd ?? image.Cmd)]
}

/** PATH and HOME, where nobody sets them, are the agent's to add: it knows the user's home. */
function resolveEnvironment(env: BootSpec['env'], image: ImageConfig): readonly string[] {
  const values = new Map<string, string>()
  for (const entry of image.Env) {
    const at = entry.indexOf('=')
    if (at > 0) values.set(entry.slice(0, at), entry.slice(at + 1))
  }
  for (const { key, value } of env) values.set(key, value)
  return [...values].map(([key, value]) => `${key}=${value}`)
}
