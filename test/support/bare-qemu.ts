/** A VM as plain as can be: QEMU with kernel, initramfs and the devices the agent needs, without launcher or driver. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What to boot. */
export interface BareVmOptions {
  /** Directory for socket and logs; the caller removes it. */
  readonly directory: string
  readonly kernel: string
  readonly initrd: string
  readonly memoryMib?: number
  readonly cpus?: number
  readonly image?: string
  readonly disk?: string
  readonly mac?: string
}

/** A running VM. */
export interface BareVm {
  readonly agentSocket: string
  readonly pid: number
  /** Exit code of QEMU, or `null` after a signal. */
  readonly exited: Promise<number | null>
  /** What the console said so far. */
  console(): Promise<string>
  /** What the start command wrote so far. */
  commandLog(): Promise<string>
  /** Ends QEMU and waits for it. */
  kill(): Promise<void>
}

/** Boots a VM. The NIC is on a network of QEMU's own that leads nowhere. */
export function bootBareVm(options: BareVmOptions): BareVm {
  const path = (name: string) => join(options.directory, name)
  const child = spawn('qemu-system-x86_64', renderArgs(options, path), { stdio: ['ignore', 'ignore', 'inherit'] })
  const exited = exitOf(child)
  return {
    agentSocket: path('agent.sock'),
    pid: child.pid ?? 0,
    exited,
    console: () => readIfThere(path('console.log')),
    commandLog: () => readIfThere(path('cmd.log')),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

function renderArgs(options: BareVmOptions, path: (name: string) => string): string[] {
  const { kernel, initrd, memoryMib = 128, cpus = 1, image, disk, mac = '52:54:00:12:34:56' } = options
  const drive = (file: string, serial: string, readonly: string) => [
    ...['-blockdev', `driver=raw,node-name=${serial},read-only=${readonly},file.driver=file,file.filename=${file}`],
    ...['-device', `virtio-blk-device,drive=${serial},serial=${serial}`],
  ]
  return [
    ...['-M', 'microvm,acpi=off,pit=on,pic=on,rtc=on,isa-serial=on', '-accel', 'tcg', '-cpu', 'max', '-smp', `${cpus}`, '-m', `${memoryMib}`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-kernel', kernel, '-initrd', initrd],
    ...['-append', 'console=ttyS0 reboot=t panic=-1 quiet no_timer_check', '-serial', `file:${path('console.log')}`],
    ...['-device', 'virtio-serial-device,max_ports=3', '-chardev', `socket,id=agent,path=${path('agent.sock')},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=agent,name=alcove.agent', '-chardev', `file,id=log,path=${path('cmd.log')}`],
    ...['-device', 'virtserialport,chardev=log,name=alcove.log', '-device', 'virtio-rng-device'],
    ...['-netdev', 'hubport,id=net,hubid=0', '-device', `virtio-net-device,netdev=net,mac=${mac}`],
    ...(image ? drive(image, 'image', 'on') : []),
    ...(disk ? drive(disk, 'disk', 'off') : []),
  ]
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
