/** Finds the name servers of the host that guests may use through the gateway. */
import { isIPv4 } from 'node:net'
import { findFile } from '../lib/files.ts'

/** Where to look, in this order: the second file holds the real servers behind systemd-resolved's stub. */
export const resolvConfPaths = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] as const

/** At most this many are used, as by the C library. */
const maxServers = 3

/** IPv4 name servers of the first file that names one which is not a loopback stub; empty when there is none. */
export async function findUpstreams(paths: readonly string[]): Promise<readonly string[]> {
  for (const path of paths) {
    const servers = parseResolvConf((await findFile(path)) ?? '')
    if (servers.length > 0) return servers
  }
  return []
}

/** Usable name servers of a resolv.conf. A loopback address is of use to the host only; guests have no IPv6. @see resolv.conf(5) */
export function parseResolvConf(text: string): readonly string[] {
  const servers = text.split('\n').flatMap((line) => /^nameserver[ \t]+(\S+)/.exec(line)?.[1] ?? [])
  const usable = servers.filter((server) => isIPv4(server) && !server.startsWith('127.') && server !== '0.0.0.0')
  return [...new Set(usable)].slice(0, maxServers)
}
