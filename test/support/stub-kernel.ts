/** Guests of a few bytes: real kernels to QEMU, up in milliseconds, for tests that need a VM and not a Linux. */
import { writeFile } from 'node:fs/promises'

/** What a stub guest does once its CPU runs. */
export type StubBehaviour =
  /** Sleeps for ever. */
  | 'halt'
  /** Resets the machine by a triple fault. */
  | 'reset'
  /** Writes lines to the first serial port for ever. */
  | 'flood'
  /** Writes `hello` and a newline to the first serial port, then sleeps. */
  | 'hello'
  /** Never rests. */
  | 'spin'
  /** Writes to every page of 128 MiB, says `full` on the first serial port, then sleeps. */
  | 'fill'
  /** Writes `farewell` and a newline, then resets. */
  | 'farewell'

/** Writes the kernel as an ELF file that boots through PVH. */
export async function writeStubKernel(path: string, behaviour: StubBehaviour = 'halt'): Promise<void> {
  await writeFile(path, renderStubKernel(behaviour), { mode: 0o644 })
}

/** Physical address the code is loaded at and entered, in 32-bit protected mode without paging. */
const entry = 0x100000

/** Renders an ELF64 with one segment of code and the note that names the PVH entry. @see https://xenbits.xen.org/docs/unstable/misc/pvh.html */
export function renderStubKernel(behaviour: StubBehaviour): Buffer {
  const code = Buffer.from(codes[behaviour])
  const headers = 64 + 2 * 56
  const note = Buffer.alloc(20)
  note.writeUInt32LE(4, 0) // length of the name
  note.writeUInt32LE(4, 4) // length of the value
  note.writeUInt32LE(18, 8) // XEN_ELFNOTE_PHYS32_ENTRY
  note.write('Xen\0', 12, 'latin1')
  note.writeUInt32LE(entry, 16)
  const header = Buffer.alloc(64)
  header.write('\x7fELF\x02\x01\x01', 0, 'latin1')
  header.writeUInt16LE(2, 16) // executable
  header.writeUInt16LE(62, 18) // x86-64
  header.writeUInt32LE(1, 20)
  header.writeBigUInt64LE(BigInt(entry), 24)
  header.writeBigUInt64LE(64n, 32) // program headers follow
  header.writeUInt16LE(64, 52)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(2, 56)
  const notes = segment({ type: 4, flags: 4, offset: headers, address: 0, bytes: note.length })
  const load = segment({ type: 1, flags: 7, offset: headers + note.length, address: entry, bytes: code.length })
  return Buffer.concat([header, notes, load, note, code])
}

function segment({ type, flags, offset, address, bytes }: { type: number; flags: number; offset: number; address: number; bytes: number }): Buffer {
  const out = Buffer.alloc(56)
  out.writeUInt32LE(type, 0)
  out.writeUInt32LE(flags, 4)
  out.writeBigUInt64LE(BigInt(offset), 8)
  out.writeBigUInt64LE(BigInt(address), 16)
  out.writeBigUInt64LE(BigInt(address), 24)
  out.writeBigUInt64LE(BigInt(bytes), 32)
  out.writeBigUInt64LE(BigInt(bytes), 40)
  out.writeBigUInt64LE(4n, 48)
  return out
}

const sleep = [0xfa, 0xf4, 0xeb, 0xfc] // cli; hlt; jmp cli

/** Waits until the transmitter is empty, then sends one byte. */
const send = (byte: number) => [
  ...[0x66, 0xba, 0xfd, 0x03], // mov dx, 0x3fd
  ...[0xec, 0xa8, 0x20, 0x74, 0xfb], // in al, dx; test al, 0x20; jz back
  ...[0xb0, byte], // mov al, byte
  ...[0x66, 0xba, 0xf8, 0x03, 0xee], // mov dx, 0x3f8; out dx, al
]

const text = (value: string) => [...Buffer.from(value, 'latin1')].flatMap(send)

const floodLine = text('flood\n')

/** An empty interrupt table, then an interrupt: nothing can handle it, nor its failure, nor the failure of that. */
const tripleFault = [...[0x6a, 0x00, 0x6a, 0x00], ...[0x0f, 0x01, 0x1c, 0x24], ...[0xcd, 0x03], ...sleep]

const littleEndian = (value: number) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff)

/** From above this code to the end of the memory. */
const touchAll = [
  ...[0xbf, ...littleEndian(0x200000)], // mov edi, 2 MiB
  ...[0x89, 0x3f, 0x81, 0xc7, ...littleEndian(4096)], // mov [edi], edi; add edi, 4096
  ...[0x81, 0xff, ...littleEndian(128 * 1024 * 1024), 0x72, 0xf0], // cmp edi, 128 MiB; jb back
]

const codes: Record<StubBehaviour, readonly number[]> = {
  halt: sleep,
  spin: [0xfa, 0xeb, 0xfe],
  fill: [...touchAll, ...text('full\n'), ...sleep],
  reset: tripleFault,
  farewell: [...text('farewell\n'), ...tripleFault],
  flood: [...floodLine, 0xeb, 0x100 - floodLine.length - 2],
  hello: [...text('hello\n'), ...sleep],
}
