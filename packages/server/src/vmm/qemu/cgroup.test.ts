import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { limitsOf, readOomKills } from './cgroup.ts'

test('kills for want of memory are counted in either version of cgroups, and a group that is gone counts none', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'alcove-cgroup-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  const [v1, v2, none] = ['v1', 'v2', 'none'].map((name) => join(root, name)) as [string, string, string]
  for (const directory of [v1, v2]) await mkdir(directory)
  await writeFile(join(v1, 'memory.oom_control'), 'oom_kill_disable 0\nunder_oom 0\noom_kill 0\n')
  await writeFile(join(v2, 'memory.events'), 'low 0\nhigh 0\nmax 9\noom 3\noom_kill 0\noom_group_kill 4\n')
  assert.equal(await readOomKills([v1, v2, none]), 0)
  await writeFile(join(v2, 'memory.events'), 'low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n')
  assert.equal(await readOomKills([v1, v2, none]), 2)
  await writeFile(join(v1, 'memory.oom_control'), 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n')
  assert.equal(await readOomKills([v1]), 1)
  assert.equal(await readOomKills([]), 0)
})

test('a limit leaves room beyond the memory of the guest, and grows with it', () => {
  const mib = 1024 * 1024
  for (const memoryMib of [128, 4096]) assert.equal(limitsOf({ cpus: 1, memoryMib }).memoryBytes, (memoryMib + 416) * mib)
})
