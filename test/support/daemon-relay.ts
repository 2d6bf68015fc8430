/** A way from this process to a port in a network lab: sockets with a path cross network namespaces, so a process in the lab passes them on. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { endProcess, type Lab, readLines } from './network-lab.ts'

/** Starts a relay from a free port here to `port` of the lab's host; its socket lies in `directory`. */
export async function startRelay(lab: Lab, directory: string, port: number): Promise<{ readonly url: string; end(): Promise<void> }> {
  const path = join(directory, 'relay')
  const [program, ...prefix] = lab.enter(lab.hostNs)
  const inside = spawn(program, [...prefix, process.execPath, fileURLToPath(import.meta.url), path, String(port)])
  await readLines(inside, 'ready', () => {})
  const server = createServer((socket) => joinSockets(socket, connect(path)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async end() {
      server.close()
      await endProcess(inside)
    },
  }
}

/** Passes bytes both ways; what breaks on one side ends on the other. */
function joinSockets(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
    from.pipe(to)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path = '', port = ''] = process.argv.slice(2)
  createServer((socket) => joinSockets(socket, connect(Number(port), '127.0.0.1'))).listen(path, () => process.stdout.write('ready\n'))
}
