/** Frames as a hostile guest would craft them, byte by byte. */

const bytes = (text: string, separator: string, radix: number) => Buffer.from(text.split(separator).map((part) => Number.parseInt(part, radix)))

/** Six bytes of a hardware address. */
export const macBytes = (mac: string) => bytes(mac, ':', 16)
/** Four bytes of an IPv4 address. */
export const ipBytes = (ip: string) => bytes(ip, '.', 10)

/** An Ethernet frame; `tags` go between addresses and type. */
export function ethernet(frame: { to: string; from: string; type: number; payload: Buffer; tags?: Buffer }): Buffer {
  const type = Buffer.alloc(2)
  type.writeUInt16BE(frame.type)
  return Buffer.concat([macBytes(frame.to), macBytes(frame.from), frame.tags ?? Buffer.alloc(0), type, frame.payload])
}

/** An ARP request (1) or reply (2). */
export function arp(packet: { operation: 1 | 2; mac: string; ip: string; targetMac?: string; targetIp: string }): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, packet.operation])
  return Buffer.concat([head, macBytes(packet.mac), ipBytes(packet.ip), macBytes(packet.targetMac ?? '00:00:00:00:00:00'), ipBytes(packet.targetIp)])
}

/** An IPv4 packet with an UDP datagram from port 4000. */
export function udp(packet: { from: string; to: string; port: number; text: string }): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(4000, 0)
  header.writeUInt16BE(packet.port, 2)
  header.writeUInt16BE(8 + packet.text.length, 4)
  // A checksum of 0 means that there is none.
  return ipv4(packet.from, packet.to, 17, Buffer.concat([header, Buffer.from(packet.text)]))
}

/** An IPv4 packet with an ICMP echo request. */
export function ping(from: string, to: string): Buffer {
  const message = Buffer.from([8, 0, 0, 0, 0, 7, 0, 1, ...Buffer.from('abcdefgh')])
  message.writeUInt16BE(checksum(message), 2)
  return ipv4(from, to, 1, message)
}

/** An IPv4 packet. */
export function ipv4(from: string, to: string, protocol: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(20 + payload.length, 2)
  header[8] = 64
  header[9] = protocol
  ipBytes(from).copy(header, 12)
  ipBytes(to).copy(header, 16)
  header.writeUInt16BE(checksum(header), 10)
  return Buffer.concat([header, payload])
}

function checksum(data: Buffer): number {
  let sum = 0
  for (let at = 0; at < data.length; at += 2) sum += data.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
