import assert from 'node:assert/strict'
import test from 'node:test'
import { isSameBoot, parseMarker, renderMarker } from './marker.ts'

const marker = { installId: 'inst', workspaceId: 'ws_a', bootId: 'boot_b' }

test('a mark is read back from the command line of QEMU only', () => {
  const text = renderMarker(marker)
  assert.deepEqual(parseMarker(['/usr/bin/qemu', '-name', text, '-S']), marker)
  assert.ok(isSameBoot(parseMarker(['q', '-name', text]), marker))
  // The launcher's programs carry it further back.
  for (const argv of [
    ['sh', 'launcher.sh', 'inside', 'qemu', '-name', text],
    ['grep', text],
    [],
    ['q', '-name'],
    ['q', '-name', `${text}:more`],
    ['q', '-name', 'alcove:a:b'],
  ]) {
    assert.equal(parseMarker(argv), undefined, argv.join(' '))
  }
})

test('another boot, workspace or install is not the same', () => {
  for (const other of [{ installId: 'x' }, { workspaceId: 'x' }, { bootId: 'x' }]) assert.equal(isSameBoot({ ...marker, ...other }, marker), false)
  assert.equal(isSameBoot(undefined, marker), false)
})
