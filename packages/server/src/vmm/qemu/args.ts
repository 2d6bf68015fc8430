/** The command line of QEMU, as a pure function of what is to be launched. */
import type { LaunchSpec } from '../driver.ts'
import { renderMarker } from './marker.ts'

/** Kernel command line of every VM. QEMU appends where its virtio-mmio devices are. */
/**
 * no_timer_check: the kernel counts ticks for some ms to find out whether the timer works, and panics when it sees none; on a busy host an
 * emulated one is late. @see check_timer in arch/x86/kernel/apic/io_apic.c of Linux
 */
const kernelCommandLine = 'console=ttyS0 reboot=t panic=-1 quiet no_timer_check'

/** What runs the guest's instructions. */
export type Accelerator = { readonly accel: 'kvm' } | { readonly accel: 'tcg' /** See tsc.ts. */; readonly tscKhz: number | undefined }

/** Names in the VM's directory, which is QEMU's working directory: no path of the host is part of an option. */
export const vmFiles = {
  agentSocket: 'agent.sock',
  /** Two monitors: each serves one client, and a client that hangs must not lock the next daemon out. */
  monitorSockets: ['qmp.sock', 'qmp2.sock'],
  consoleFifo: 'console.fifo',
  commandFifo: 'cmd.fifo',
  stderrFifo: 'stderr.fifo',
} as const

/** Files the launcher opens as root and QEMU re-opens through its descriptors: QEMU needs no right to walk the host's directories. */
export const inheritedFiles = { kernel: '/proc/self/fd/4', initrd: '/proc/self/fd/5', image: '/proc/self/fd/6', disk: '/proc/self/fd/7' } as const

/** Bound of QEMU's cache of translated code, MiB; without it QEMU may take 1 GiB and the memory limit would have to allow for that. */
export const tcgCacheMib = 256

/** Renders the arguments of QEMU, without the program. Only ids, numbers and a MAC come from outside, each checked. */
export function renderArgs(spec: LaunchSpec, installId: string, accelerator: Accelerator): readonly string[] {
  const { cpus, memoryMib, mac } = spec
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) throw new RangeError(`not a MAC address: ${JSON.stringify(mac.slice(0, 40))}`)
  if (!Number.isInteger(cpus) || cpus < 1 || !Number.isInteger(memoryMib) || memoryMib < 1) throw new RangeError('cpus and memoryMib are positive integers')
  return [
    // First, so that a process is recognised as this VM: see marker.ts.
    ...['-name', renderMarker({ ...spec, installId })],
    // No monitor, network card, display or configuration file that is not named here.
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    // All groups of system calls QEMU can give up; works in the foreground only, never with -daemonize or -runas.
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    // acpi=on hangs some boots under TCG; without PIT or PIC all of them hang. rtc: the guest's first clock. isa-serial: the console.
    ...['-M', 'microvm,acpi=off,pit=on,pic=on,rtc=on,isa-serial=on,memory-backend=ram'],
    ...acceleration(accelerator),
    ...['-smp', `cpus=${cpus}`],
    ...['-m', `size=${memoryMib}M`],
    // reserve=off: memory is promised beyond what the host has free; the cgroup and the plans bound what is used.
    ...['-object', json({ 'qom-type': 'memory-backend-ram', id: 'ram', size: memoryMib * 1024 * 1024, reserve: false })],
    // virtio 1 instead of the legacy layout that microvm's transports default to.
    ...['-global', 'virtio-mmio.force-legacy=false'],
    // CPUs wait for `cont`, so that the tap is moved and filtered before the first instruction.
    '-S',
    // A reset ends the VM: the control plane decides about restarts.
    '-no-reboot',
    ...['-kernel', inheritedFiles.kernel, '-initrd', inheritedFiles.initrd, '-append', commandLine(accelerator)],
    ...monitors(),
    ...blockDevices(),
    ...network(mac),
    ...serialPorts(),
    // Entropy from the host's getrandom, not from a device file.
    ...['-object', json({ 'qom-type': 'rng-builtin', id: 'entropy' }), '-device', json({ driver: 'virtio-rng-device', rng: 'entropy' })],
  ]
}

/** tsc=reliable: no watchdog, whose own clock loses ticks on a busy host and would blame the counter. */
function commandLine(accelerator: Accelerator): string {
  if (accelerator.accel === 'kvm' || accelerator.tscKhz === undefined) return kernelCommandLine
  return `${kernelCommandLine} tsc=reliable tsc_early_khz=${accelerator.tscKhz}`
}

function acceleration({ accel }: Accelerator): string[] {
  return accel === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', `tcg,thread=multi,tb-size=${tcgCacheMib}`, '-cpu', 'max']
}

function monitors(): string[] {
  return vmFiles.monitorSockets.flatMap((path, index) => [
    ...['-chardev', `socket,id=qmp${index},path=${path},server=on,wait=off`],
    ...['-mon', `chardev=qmp${index},mode=control`],
  ])
}

function blockDevices(): string[] {
  const node = (name: string, filename: string, readOnly: boolean) => [
    // `raw` is said, never guessed: a guest could write a header of another format. discard: trimmed blocks go back to the host.
    ...['-blockdev', json({ driver: 'file', 'node-name': `${name}-file`, filename, 'read-only': readOnly, discard: 'unmap' })],
    ...['-blockdev', json({ driver: 'raw', 'node-name': name, file: `${name}-file`, 'read-only': readOnly, discard: 'unmap' })],
  ]
  return [
    ...node('image', inheritedFiles.image, true),
    // The serial is how the agent tells the two apart.
    ...['-device', json({ driver: 'virtio-blk-device', drive: 'image', serial: 'image' })],
    ...node('disk', inheritedFiles.disk, false),
    // A write the host cannot take (full disk) stops the VM and is done again on resume; reported, it would damage the guest's file system.
    ...['-device', json({ driver: 'virtio-blk-device', drive: 'disk', serial: 'disk', werror: 'stop', rerror: 'report' })],
  ]
}

function network(mac: string): string[] {
  return [
    // The launcher made tap0; no script of QEMU's is run.
    ...['-netdev', json({ type: 'tap', id: 'net0', ifname: 'tap0', script: 'no', downscript: 'no' })],
    ...['-device', json({ driver: 'virtio-net-device', netdev: 'net0', mac })],
  ]
}

function serialPorts(): string[] {
  return [
    // append=on only spares the truncation; these are FIFOs of bounded writers, see launcher.sh.
    ...['-chardev', `file,id=console,path=${vmFiles.consoleFifo},append=on`, '-serial', 'chardev:console'],
    ...['-device', json({ driver: 'virtio-serial-device', id: 'ports', max_ports: 3 })],
    // wait=off: QEMU starts whether or not the host has connected.
    ...['-chardev', `socket,id=agent,path=${vmFiles.agentSocket},server=on,wait=off`],
    ...['-device', json({ driver: 'virtserialport', bus: 'ports.0', nr: 1, chardev: 'agent', name: 'alcove.agent' })],
    ...['-chardev', `file,id=cmd,path=${vmFiles.commandFifo},append=on`],
    ...['-device', json({ driver: 'virtserialport', bus: 'ports.0', nr: 2, chardev: 'cmd', name: 'alcove.log' })],
  ]
}

/** Options as JSON: no value can end an option or begin another. */
const json = (options: Readonly<Record<string, string | number | boolean>>) => JSON.stringify(options)
