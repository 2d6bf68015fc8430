/** The limits of a workspace, as the VM itself sees them. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'

const daemonOf = sharedDaemon({ config: { defaultPlan: 'enterprise', bootTimeoutSeconds: 300, createBudgetSeconds: 300 } })
const script =
  'echo "cpus $(nproc) total $(grep MemTotal /proc/meminfo | tr -s " " | cut -d" " -f2) available $(grep MemAvailable /proc/meminfo | tr -s " " | cut -d" " -f2)"'

async function measure(config: { cpus?: number; memory_mb?: number }): Promise<{ cpus: number; totalMib: number; availableMib: number; apiTotalMib: number }> {
  const { workspaces } = daemonOf()
  const { id } = await workspaces.create({ image: 'busybox', config: { ...config, writable_size_mb: 64, cmd: staying(script) } })
  const [, cpus, total, available] = await untilLogged(workspaces, id, /cpus (\d+) total (\d+) available (\d+)/, { timeoutMs: 120_000 })
  const { stats } = (await workspaces.details(id)).workspace
  await workspaces.delete(id)
  return { cpus: Number(cpus), totalMib: Number(total) / 1024, availableMib: Number(available) / 1024, apiTotalMib: stats.memoryTotalMB }
}

for (const cpus of [1, 2, 32]) {
  test(`a VM of ${cpus} CPUs has ${cpus}`, async () => {
    assert.equal((await measure({ cpus })).cpus, cpus)
  })
}

test('a VM of 128 MB has at least 90 MB for its user', async () => {
  const { totalMib, availableMib } = await measure({ memory_mb: 128 })
  assert.ok(totalMib <= 128, `${totalMib}`)
  assert.ok(availableMib >= 90, `${availableMib} MiB are available`)
})

for (const memory_mb of [512, 65_536]) {
  test(`a VM of ${memory_mb} MB has that, less what its kernel takes`, async () => {
    const { totalMib, apiTotalMib } = await measure({ memory_mb })
    assert.ok(totalMib <= memory_mb && totalMib >= memory_mb * 0.88, `${totalMib} MiB`)
    assert.ok(Math.abs(apiTotalMib - totalMib) < 1, 'the stats are those of the guest')
  })
}
