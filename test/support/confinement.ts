/** The check of S10: whether a VM that a test started is confined exactly as promised. Called for every VM any test starts. */
import assert from 'node:assert/strict'
import { chown, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runAny } from '../../packages/server/src/lib/subprocess.ts'
import type { VmHandle } from '../../packages/server/src/vmm/driver.ts'
import { isLocked } from '../../packages/server/src/vmm/qemu/lock.ts'
import { findProcess } from '../../packages/server/src/vmm/qemu/proc.ts'

/** Fails unless the QEMU behind the handle has no right it does not need. */
export async function assertConfined(handle: VmHandle): Promise<void> {
  const process = await findProcess(handle.pid)
  assert.equal(process?.startTicks, handle.startTicks, 'the VM lives')
  await assertIdentity(handle)
  await assertNamespaces(handle)
  await assertLimits(handle)
  assert.ok(await isLocked(handle.lockPath), 'the lock is held')
  const ours = await findProcess(globalThis.process.pid)
  assert.notEqual(process?.session, ours?.session, 'a session of its own')
  await assertDescriptors(handle)
  await assertNeighbourUnreachable(handle)
}

async function assertIdentity({ pid, uid }: VmHandle): Promise<void> {
  const status = Object.fromEntries((await readFile(`/proc/${pid}/status`, 'utf8')).split('\n').map((line) => line.split(/:\s*/, 2)))
  const four = [uid, uid, uid, uid].join('\t')
  assert.notEqual(uid, 0)
  assert.equal(status.Uid, four, 'real, effective, saved and file system user')
  assert.equal(status.Gid, four, 'the same of groups')
  assert.equal((status.Groups ?? '').trim(), '', 'no further group')
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.equal(BigInt(`0x${status[set]}`), 0n, set)
  assert.equal(status.NoNewPrivs, '1', 'cannot gain privileges by exec')
  assert.equal(status.Seccomp, '2', 'system calls are filtered')
}

async function assertNamespaces({ pid }: VmHandle): Promise<void> {
  for (const kind of ['net', 'mnt', 'pid', 'ipc', 'uts']) {
    assert.notEqual(await readlink(`/proc/${pid}/ns/${kind}`), await readlink(`/proc/self/ns/${kind}`), `own ${kind} namespace`)
  }
}

async function assertLimits({ pid, cgroups }: VmHandle): Promise<void> {
  const limits = await readFile(`/proc/${pid}/limits`, 'utf8')
  assert.match(limits, /^Max core file size +0 +0 /m)
  assert.match(limits, /^Max open files +1024 +1024 /m)
  assert.match(limits, /^Max processes +\d+ +\d+ /m)
  assert.ok(Number(await readFile(`/proc/${pid}/oom_score_adj`, 'utf8')) > 0, 'ends before the daemon when memory is short')
  const isOffered = (await exists('/sys/fs/cgroup/memory/cgroup.procs')) || (await exists('/sys/fs/cgroup/cgroup.controllers'))
  assert.equal(cgroups.length > 0, isOffered, 'joined cgroups where the host has them')
  for (const group of cgroups) {
    assert.ok((await readFile(join(group, 'cgroup.procs'), 'utf8')).split('\n').includes(String(pid)), `joined ${group}`)
    for (const file of ['memory.limit_in_bytes', 'memory.max', 'pids.max']) {
      const value = await readFile(join(group, file), 'utf8').catch(() => undefined)
      // 2^50: what the kernel writes for "none" is larger.
      if (value !== undefined) assert.ok(Number(value) > 0 && Number(value) < 2 ** 50, `${file} is set`)
    }
  }
}

/** Every descriptor is read-only, of this VM, or of no file; none names another workspace. */
async function assertDescriptors({ pid, workspaceId, runDir, lockPath }: VmHandle): Promise<void> {
  const own = [`${runDir}/`, `${dirname(lockPath)}/`]
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const path = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => undefined)
    if (path === undefined || !path.startsWith('/')) continue
    for (const [named] of path.matchAll(/ws_[a-z2-7]{12}/g)) assert.equal(named, workspaceId, `descriptor ${fd} is ${path}`)
    if (own.some((prefix) => path.startsWith(prefix)) || /^\/dev\/(null|net\/tun|kvm)$|^\/memfd:/.test(path)) continue
    const flags = /^flags:\s+0?([0-7]+)$/m.exec(await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1] ?? '1'
    assert.equal(Number.parseInt(flags, 8) & 3, 0, `descriptor ${fd}, ${path}, is read-only`)
  }
}

/** Acts as the VM's user in the VM's mount namespace: its own file opens, a neighbour's disk and directory do not. */
async function assertNeighbourUnreachable({ pid, uid }: VmHandle): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), 'alcove-neighbour-'))
  try {
    await runAny(['chmod', '0755', place])
    const [ownFile, disk, runDir] = [join(place, 'own'), join(place, 'disk'), join(place, 'run')]
    await mkdir(runDir, { mode: 0o700 })
    for (const path of [ownFile, disk]) await writeFile(path, 'content', { mode: 0o600 })
    await chown(ownFile, uid, uid)
    for (const path of [disk, runDir]) await chown(path, uid + 1, uid + 1)
    const asVm = async (...argv: string[]) => {
      const drop = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs']
      return (await runAny(['nsenter', `--mount=/proc/${pid}/ns/mnt`, ...drop, ...argv])).exitCode
    }
    assert.equal(await asVm('cat', ownFile), 0, 'the probe itself works')
    assert.notEqual(await asVm('cat', disk), 0, 'reads the disk of a neighbour')
    assert.notEqual(await asVm('ls', runDir), 0, 'enters the directory of a neighbour')
    assert.notEqual(await asVm('sh', '-c', ': <>/dev/mem'), 0, 'opens the memory of the host')
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

const exists = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined
