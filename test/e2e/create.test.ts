/** A create, from HTTP to a VM that speaks for itself. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { CreateWorkspaceRequest } from '../../packages/sdk/src/index.ts'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'
import { pageExample } from '../support/page-example.ts'

const outboundProxies = [{ id: 42, label: 'office', host: '127.0.0.1', port: 3128, protocol: 'http' }]
const daemonOf = sharedDaemon({ config: { outboundProxies } })

test('a created workspace is a running VM that tells of itself', async () => {
  const { workspaces, url } = daemonOf()
  const before = Date.now()
  const script = 'uname -a; echo boot $(cat /proc/sys/kernel/random/boot_id); echo up $(cut -d" " -f1 /proc/uptime) at $(date +%s); ip -4 addr show eth0'
  const made = await workspaces.create({ name: 'first', image: 'busybox', config: { cpus: 2, memory_mb: 256, cmd: staying(script) } })
  assert.match(made.id, /^ws_[a-z0-9]{12}$/)
  assert.match(made.ip, /^10\.\d+\.\d+\.\d+$/)
  assert.deepEqual([made.status, made.info.is_running, made.ready, made.mode], ['running', true, true, 'temporary'])
  assert.deepEqual(made.resources, { cpus: 2, memory_mb: 256, disk_size_mb: 512 })
  assert.ok(Object.values(made.timings ?? {}).every((ms) => ms >= 0) && (made.timings?.agent ?? 0) > 0, JSON.stringify(made.timings))

  const [, release] = await untilLogged(workspaces, made.id, /stdout: Linux first (\d+\.\d+\S*) /)
  await untilLogged(workspaces, made.id, new RegExp(`inet ${made.ip.replaceAll('.', '\\.')}/32`))
  const [, uptime, clock] = await untilLogged(workspaces, made.id, /up ([\d.]+) at (\d+)/)
  // Its own clock counts from the start that is told, and is the host's.
  const start = Date.parse(made.start_time)
  assert.ok(start > before - 1000 && start < Date.now(), made.start_time)
  assert.ok(Math.abs(start / 1000 + Number(uptime) - Number(clock)) < 3, `${made.start_time} + ${uptime} s is not ${clock}`)

  const { workspace: details } = await workspaces.details(made.id)
  assert.equal(details.isolation.kernel, release)
  assert.ok(details.stats.memoryTotalMB > 150 && details.stats.memoryTotalMB < 256, `${details.stats.memoryTotalMB}`)
  assert.ok(details.stats.guestDiskTotalBytes > 300 * 2 ** 20 && details.stats.guestDiskTotalBytes <= 512 * 2 ** 20)
  assert.ok(details.stats.uptime >= Number(uptime) && details.stats.uptime <= (Date.now() - start) / 1000 + 3, `${details.stats.uptime}`)
  assert.equal(details.token.split('.').length, 3)
  const later = await workspaces.get(made.id)
  assert.ok(later.uptime >= Math.floor(Number(uptime)) && later.uptime <= (Date.now() - start) / 1000 + 3)
  assert.equal((await fetch(`${url}/health`)).status, 200)
})

test('with wait_for_init the start command runs when the answer comes', async () => {
  const { workspaces } = daemonOf()
  const made = await workspaces.create({ image: 'busybox', config: { memory_mb: 256, wait_for_init: true, cmd: staying('echo started') } })
  assert.ok((made.timings?.init ?? 0) > 0, 'the answer waited for the initialisation')
  // A program that could not be started would have been told by now.
  const log = await workspaces.logs(made.id)
  assert.doesNotMatch(log, /alcove: .*(not found|no such)/i)
  await untilLogged(workspaces, made.id, /stdout: started/)
})

test("the page's example request runs as it stands", async () => {
  const daemon = daemonOf()
  const { clientId, clientSecret } = daemon.firstKey
  const headers = { 'X-Client-ID': clientId, 'X-Client-Secret': clientSecret, 'Content-Type': 'application/json' }
  const response = await fetch(`${daemon.url}/workspace`, { method: 'POST', headers, body: JSON.stringify(pageExample) })
  const { success, workspace } = (await response.json()) as { success: boolean; workspace: Awaited<ReturnType<typeof daemon.workspaces.get>> }
  assert.deepEqual([response.status, success], [201, true])
  assert.deepEqual([workspace.name, workspace.namespace, workspace.mode, workspace.image], ['my-app', 'production', 'permanent', 'node-20'])
  assert.deepEqual(workspace.info, { status: 'running', is_running: true, user_requested_stop: false, ready: true })
  assert.deepEqual(workspace.resources, { cpus: 2, memory_mb: 2048, disk_size_mb: 1024 })
  assert.equal(workspace.access.ssh_enabled, false)
  // There is no server.js in the image: node itself says so, and its exit code is told.
  await untilLogged(daemon.workspaces, workspace.id, /Cannot find module '\/root\/server\.js'/)
  await untilLogged(daemon.workspaces, workspace.id, /alcove: .*exited with code 1/)
  assert.equal((await daemon.workspaces.get(workspace.id)).status, 'running')
  await daemon.workspaces.delete(workspace.id)
})

test("node 20 runs the owner's program with its environment", async () => {
  const { workspaces } = daemonOf()
  const program = "console.log('node', process.version, process.env.NODE_ENV, process.env.PORT, require('os').cpus().length); setInterval(() => {}, 1000)"
  const request = { ...pageExample, name: 'program', config: { ...pageExample.config, cmd: ['node', '-e', program] } }
  const made = await workspaces.create(request as unknown as CreateWorkspaceRequest)
  const [line] = await untilLogged(workspaces, made.id, /node v\S+ .*/)
  assert.match(line, /^node v20\.\d+\.\d+ production 3000 2$/)
  await workspaces.delete(made.id)
})
