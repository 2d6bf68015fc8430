import assert from 'node:assert/strict'
import test from 'node:test'
import { parseTscKhz } from './tsc.ts'

const cpu = (number: number, mhz: string, flags: string) => `processor\t: ${number}\nmodel name\t: a CPU\ncpu MHz\t\t: ${mhz}\nflags\t\t: fpu tsc ${flags}`
const virtual = 'constant_tsc hypervisor'

test('the counter of a virtual host runs at the frequency that all its CPUs tell', () => {
  assert.equal(parseTscKhz(`${cpu(0, '2596.136', virtual)}\n\n${cpu(1, '2596.136', virtual)}\n\n`), 2_596_136)
})

test('a frequency that scales, differs or is not told is not passed on', () => {
  for (const text of [
    `${cpu(0, '2596.136', virtual)}\n\n${cpu(1, '1200.000', virtual)}\n`,
    cpu(0, '2596.136', 'constant_tsc'),
    cpu(0, '2596.136', 'hypervisor'),
    'processor\t: 0\nflags\t\t: constant_tsc hypervisor\n',
    '',
  ]) {
    assert.equal(parseTscKhz(text), undefined, text)
  }
})
