/** The real agent in real VMs: what it does when it is told, and that nothing on its channel can wedge or break the host. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before, type TestContext } from 'node:test'
import { openChannel } from '../../packages/server/src/guest/channel.ts'
import { connectGuest, GuestRefusedError } from '../../packages/server/src/guest/client.ts'
import type { GuestClient, GuestStart } from '../../packages/server/src/guest/guest.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { run } from '../../packages/server/src/lib/subprocess.ts'
import { guestConformance } from '../conformance/guest.ts'
import { makeAgentDisk, makeAgentImage, makeScriptInitrd } from '../support/agent-image.ts'
import { readArtifacts } from '../support/artifacts.ts'
import { type BareVm, type BareVmOptions, bootBareVm } from '../support/bare-qemu.ts'
import { eventually, guestConfiguration } from '../support/guest-configuration.ts'

const mib = 1024 * 1024
/** `ALCOVE_TEST_RECONNECTS=1000` for the long run. */
const reconnects = Number(process.env.ALCOVE_TEST_RECONNECTS ?? 200)

let directory = ''
let image = ''
let disks = 0

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'agent-channel-'))
  image = join(directory, 'image.erofs')
  await makeAgentImage(image)
})
after(() => rm(directory, { recursive: true, force: true }))

async function makeDisk(formattedMib = 16, sizeMib = 64): Promise<string> {
  disks++
  const path = join(directory, `disk-${disks}.ext4`)
  await makeAgentDisk(path, formattedMib, sizeMib)
  return path
}

async function boot(t: TestContext, options: Partial<BareVmOptions> = {}): Promise<BareVm> {
  const { kernel, initrd } = await readArtifacts()
  const vm = bootBareVm({ directory: await mkdtemp(join(directory, 'vm-')), kernel, initrd, ...options })
  t.after(() => vm.kill())
  return vm
}

const connect = (vm: BareVm): Promise<GuestClient> => connectGuest(vm.agentSocket, { signal: systemClock.deadline(60_000) })
const start = (script: string, changes: Partial<GuestStart> = {}): GuestStart => ({ argv: ['sh', '-c', script], env: [], cwd: '/', user: '', ...changes })
const exitedStart = (guest: GuestClient) =>
  eventually(
    () => guest.info(),
    (info) => info.start.state === 'exited',
  )

test('the real agent conforms', async (t) => {
  const vm = await boot(t, { image, disk: await makeDisk() })
  await guestConformance(t, { socketPath: vm.agentSocket })
  await vm.exited
})

test('configure makes the VM what it was told to be, and the disk keeps it', async (t) => {
  const disk = await makeDisk(16, 512)
  const vm = await boot(t, { image, disk })
  const guest = await connect(vm)
  const timeMs = Date.UTC(2031, 1, 3)
  const script = [
    'echo "id $(id)"; echo "cwd $(pwd)"; echo "env $A $HOME"; echo "host $(hostname)"; echo problem >&2',
    'ip -4 addr show eth0; ip link show eth0; ip route; cat /etc/hosts /etc/resolv.conf /etc/machine-id /etc/hostname',
    'date +%Y; cat /proc/1/status; exit 3',
  ].join('\n')
  const configuration = guestConfiguration({ timeMs, hostname: 'named', start: start(script, { env: ['A=some value'], cwd: '/home/box', user: 'box' }) })
  const info = await guest.configure(configuration)
  assert.equal(info.phase, 'ready')
  assert.deepEqual((await exitedStart(guest)).start, { state: 'exited', pid: info.start.pid, exitCode: 3, message: 'exited with code 3' })
  const log = await eventually(vm.commandLog, (text) => text.includes('alcove: start command'))
  for (const line of log.trimEnd().split('\n')) assert.match(line, /^\[2031-02-03T00:\d\d:\d\d\.\d{3}Z\] (stdout|stderr|alcove): /)
  for (const wanted of [
    'stdout: id uid=1000(box) gid=1001(box) groups=44(video)',
    'stdout: cwd /home/box',
    'stdout: env some value /home/box',
    'stdout: host named',
    'stderr: problem',
    'inet 10.1.2.3/32 ',
    'mtu 1400 ',
    'link/ether 52:54:00:aa:bb:cc ',
    'stdout: default via 10.0.0.1 dev eth0',
    'stdout: 10.0.0.1 dev eth0 scope link',
    'stdout: 10.1.2.3 named ',
    'stdout: nameserver 1.1.1.1',
    `stdout: ${configuration.machineId}`,
    'stdout: 2031',
    'alcove: start command exited with code 3',
  ])
    assert.ok(log.includes(wanted), `"${wanted}" is not in the log:\n${log}`)
  assert.ok(Number(/VmRSS:\s+(\d+) kB/.exec(log)?.[1]) <= 12 * 1024, 'the agent takes more than 12 MiB')
  const stats = await guest.stats()
  assert.ok(stats.diskTotalBytes > 400 * mib, `the disk was not grown: ${stats.diskTotalBytes}`)
  await guest.shutdown(1000)
  await vm.exited
  assert.match(await run(['dumpe2fs', '-h', disk]), /Filesystem state: +clean/)
  await run(['e2fsck', '-fn', disk])

  await t.test('after the next boot files are still there', async (t) => {
    const second = await boot(t, { image, disk })
    const again = await connect(second)
    await again.configure(guestConfiguration({ hostname: 'renamed', start: start('cat /etc/hosts; ls -l /etc/resolv.conf') }))
    const text = await eventually(second.commandLog, (content) => content.includes('alcove: start command'))
    assert.ok(text.includes('10.1.2.3 renamed') && !text.includes(' named'), text)
    again.close()
  })
})

test('a start command that cannot run is a failed start in a VM that is ready', async (t) => {
  const cases: [GuestStart, RegExp][] = [
    [start('', { argv: ['no-such-program'] }), /"no-such-program" is not in PATH/],
    [start('', { argv: ['/srv/data'] }), /not an executable file/],
    [start('', { argv: ['no-such-program'], env: [`PATH=${'/long'.repeat(5000)}`] }), /is not in PATH/],
    [start('true', { user: 'stranger' }), /no user "stranger"/],
    [start('true', { cwd: '/missing' }), /working directory "\/missing"/],
  ]
  for (const [command, message] of cases) {
    const vm = await boot(t, { image, disk: await makeDisk() })
    const guest = await connect(vm)
    const info = await guest.configure(guestConfiguration({ start: command }))
    assert.equal(info.phase, 'ready')
    assert.equal(info.start.state, 'failed')
    assert.match(info.start.message, message)
    assert.match(await eventually(vm.commandLog, (text) => text.includes('\n')), message)
    assert.ok((await guest.stats()).diskTotalBytes > 0)
    guest.close()
    await vm.kill()
  }
})

test('a VM without its disk says what is missing and stays reachable', async (t) => {
  const vm = await boot(t, { image })
  const guest = await connect(vm)
  const info = await guest.configure(guestConfiguration())
  assert.equal(info.phase, 'failed')
  assert.match(info.message, /no disk has the serial "disk"/)
  assert.equal((await guest.info()).phase, 'failed')
  await guest.shutdown(0)
  await vm.exited
})

test('a flood of output, a guest that ignores SIGTERM and a shutdown from the inside are all survived', async (t) => {
  const vm = await boot(t, { image, disk: await makeDisk() })
  const guest = await connect(vm)
  await guest.configure(
    guestConfiguration({
      start: start('yes 0123456789abcdef | head -c 4000000; echo; head -c 40000 /dev/zero; echo; trap "" TERM; echo armed; sleep 1000; sleep 1000'),
    }),
  )
  assert.equal((await guest.info()).start.state, 'running')
  const log = await eventually(vm.commandLog, (text) => text.includes('stdout: armed'), 60_000)
  assert.ok(!log.split('\n').some((line) => line.length > 16 * 1024 + 64), 'a line is too long')
  const begun = systemClock.monotonic()
  await guest.shutdown(300)
  await vm.exited
  assert.ok(systemClock.monotonic() - begun >= 300, 'the grace was not given')

  const inside = await boot(t, { image, disk: await makeDisk() })
  await (await connect(inside)).configure(guestConfiguration({ start: start('kill -USR2 1') }))
  await inside.exited
})

test('reconnects amid traffic, some before boot is over, never wedge the channel', async (t) => {
  const vm = await boot(t, { image, disk: await makeDisk() })
  // Before the agent is up: each leaves its request behind.
  for (let i = 0; i < 10; i++) {
    await assert.rejects(openChannel(vm.agentSocket, { signal: AbortSignal.timeout(60), clock: systemClock }))
  }
  const heavy = guestConfiguration({ bootId: 'boot_other', start: start('x', { env: Array.from({ length: 100 }, (_, i) => `V${i}=${'y'.repeat(5000)}`) }) })
  let guest = await connect(vm)
  await guest.configure(guestConfiguration())
  let worst = 0
  for (let round = 0; round < reconnects; round++) {
    const dropped = [guest.stats(), guest.configure(heavy), guest.info()].map((call) => call.catch(() => undefined))
    // Some are cut at once, some in the middle, some when half an answer is there.
    if (round % 3 > 0) await systemClock.sleep(round % 3 === 1 ? 2 : 8)
    guest.close()
    const begun = systemClock.monotonic()
    guest = await connect(vm)
    assert.equal((await guest.info()).bootId, 'boot_first')
    worst = Math.max(worst, systemClock.monotonic() - begun)
    await Promise.all(dropped)
  }
  t.diagnostic(`${reconnects} reconnects, the slowest took ${Math.round(worst)} ms to its first answer`)
  await assert.rejects(guest.configure(heavy), GuestRefusedError)
  guest.close()
})

test('a guest that writes garbage to its port neither answers nor breaks the host', async (t) => {
  const initrd = join(directory, 'hostile.cpio')
  await makeScriptInitrd(
    initrd,
    `/bin/busybox mount -t sysfs s /sys; /bin/busybox mount -t devtmpfs d /dev
while :; do for port in /dev/vport*; do /bin/busybox dd if=/dev/urandom of=$port bs=32k count=64 2>/dev/null; done; done`,
  )
  const vm = await boot(t, { initrd })
  await assert.rejects(connectGuest(vm.agentSocket, { signal: AbortSignal.timeout(6000) }), { name: 'TimeoutError' })
  // The guest was really talking: what it says can be read by hand.
  let garbage = 0
  const socket = connectSocket({ path: vm.agentSocket })
  socket.on('data', (chunk) => {
    garbage += chunk.length
  })
  await eventually(
    async () => garbage,
    (bytes) => bytes > 1000,
  )
  socket.destroy()
})
