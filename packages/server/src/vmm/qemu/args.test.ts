import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { LaunchSpec } from '../driver.ts'
import { renderArgs } from './args.ts'

const spec: LaunchSpec = {
  ...{ installId: 'inst', workspaceId: 'ws_a', bootId: 'boot_b', runDir: '/r', logDir: '/l', lockPath: '/lock', uid: 64001, cpus: 2, memoryMib: 512 },
  ...{ kernelPath: '/k', initrdPath: '/i', imagePath: '/img', diskPath: '/d', mac: '02:00:00:00:00:01' },
}

const tcg = { accel: 'tcg', tscKhz: 2_596_136 } as const

test('the command line of a VM is exactly this', () => {
  assert.deepEqual(renderArgs(spec, 'inst', tcg), [
    ...['-name', 'alcove:inst:ws_a:boot_b', '-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-M', 'microvm,acpi=off,pit=on,pic=on,rtc=on,isa-serial=on,memory-backend=ram', '-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'max'],
    ...['-smp', 'cpus=2', '-m', 'size=512M', '-object', '{"qom-type":"memory-backend-ram","id":"ram","size":536870912,"reserve":false}'],
    ...['-global', 'virtio-mmio.force-legacy=false', '-S', '-no-reboot'],
    ...[
      '-kernel',
      '/proc/self/fd/4',
      '-initrd',
      '/proc/self/fd/5',
      '-append',
      'console=ttyS0 reboot=t panic=-1 quiet no_timer_check tsc=reliable tsc_early_khz=2596136',
    ],
    ...['-chardev', 'socket,id=qmp0,path=qmp.sock,server=on,wait=off', '-mon', 'chardev=qmp0,mode=control'],
    ...['-chardev', 'socket,id=qmp1,path=qmp2.sock,server=on,wait=off', '-mon', 'chardev=qmp1,mode=control'],
    ...['-blockdev', '{"driver":"file","node-name":"image-file","filename":"/proc/self/fd/6","read-only":true,"discard":"unmap"}'],
    ...['-blockdev', '{"driver":"raw","node-name":"image","file":"image-file","read-only":true,"discard":"unmap"}'],
    ...['-device', '{"driver":"virtio-blk-device","drive":"image","serial":"image"}'],
    ...['-blockdev', '{"driver":"file","node-name":"disk-file","filename":"/proc/self/fd/7","read-only":false,"discard":"unmap"}'],
    ...['-blockdev', '{"driver":"raw","node-name":"disk","file":"disk-file","read-only":false,"discard":"unmap"}'],
    ...['-device', '{"driver":"virtio-blk-device","drive":"disk","serial":"disk","werror":"stop","rerror":"report"}'],
    ...['-netdev', '{"type":"tap","id":"net0","ifname":"tap0","script":"no","downscript":"no"}'],
    ...['-device', '{"driver":"virtio-net-device","netdev":"net0","mac":"02:00:00:00:00:01"}'],
    ...['-chardev', 'file,id=console,path=console.fifo,append=on', '-serial', 'chardev:console'],
    ...['-device', '{"driver":"virtio-serial-device","id":"ports","max_ports":3}'],
    ...['-chardev', 'socket,id=agent,path=agent.sock,server=on,wait=off'],
    ...['-device', '{"driver":"virtserialport","bus":"ports.0","nr":1,"chardev":"agent","name":"alcove.agent"}'],
    ...['-chardev', 'file,id=cmd,path=cmd.fifo,append=on'],
    ...['-device', '{"driver":"virtserialport","bus":"ports.0","nr":2,"chardev":"cmd","name":"alcove.log"}'],
    ...['-object', '{"qom-type":"rng-builtin","id":"entropy"}', '-device', '{"driver":"virtio-rng-device","rng":"entropy"}'],
  ])
  assert.ok(renderArgs(spec, 'inst', { accel: 'tcg', tscKhz: undefined }).includes('console=ttyS0 reboot=t panic=-1 quiet no_timer_check'))
  assert.deepEqual(renderArgs(spec, 'inst', { accel: 'kvm' }).slice(10, 14), ['-accel', 'kvm', '-cpu', 'host'])
})

test('no path, whatever it holds, becomes part of the command line', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ',', '"', '=', '\\', ' ', '\n', '-', '{', ':') })
  const paths = fc.record({ runDir: text, logDir: text, lockPath: text, kernelPath: text, initrdPath: text, imagePath: text, diskPath: text })
  fc.assert(fc.property(paths, (wild) => assert.deepEqual(renderArgs({ ...spec, ...wild }, 'inst', tcg), renderArgs(spec, 'inst', tcg))))
})

test('ids, addresses and sizes that are none are refused', () => {
  for (const id of ['', 'a,b', 'a:b', '../a', '-a', 'a b', 'a\n', 'a'.repeat(65), 'é']) {
    for (const wrong of [{ workspaceId: id }, { bootId: id }])
      assert.throws(() => renderArgs({ ...spec, ...wrong }, 'inst', tcg), RangeError, JSON.stringify(id))
    assert.throws(() => renderArgs(spec, id, tcg), RangeError)
  }
  for (const wrong of [{ mac: '02:00:00:00:00:01,x=y' }, { mac: '' }, { cpus: 0 }, { cpus: 1.5 }, { memoryMib: Number.NaN }]) {
    assert.throws(() => renderArgs({ ...spec, ...wrong }, 'inst', tcg), RangeError, JSON.stringify(wrong))
  }
})
