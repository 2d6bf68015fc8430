/** The order in which a create is checked, and what an update may change. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { AlcoveError } from '../lib/fail.ts'
import { parseCreate, parseStart, parseUpdate } from './parse-workspace.ts'

function codeOf(parse: (given: unknown) => unknown, given: unknown): string {
  try {
    parse(given)
  } catch (error) {
    assert.ok(error instanceof AlcoveError, String(error))
    return `${error.code} ${error.details?.field ?? ''}`.trim()
  }
  return 'accepted'
}

test('the first wrong field of a create is told, in a fixed order', () => {
  const given: Record<string, unknown> = { name: 1, namespace: '*', image: '', mode: 'x', type: 1, wait_ready: 'x', config: 1 }
  const fixes: [string, string, unknown][] = [
    ['validation_error name', 'name', 'x'.repeat(256)],
    ['INVALID_NAME_LENGTH name', 'name', 'ok'],
    ['INVALID_NAMESPACE namespace', 'namespace', 'prod-1'],
    ['INVALID_IMAGE image', 'image', 'node-20'],
    ['validation_error mode', 'mode', 'permanent'],
    ['validation_error type', 'type', 't'],
    ['validation_error wait_ready', 'wait_ready', false],
    ['INVALID_CONFIG config', 'config', {}],
  ]
  for (const [code, field, fix] of fixes) {
    assert.equal(codeOf(parseCreate, given), code)
    given[field] = fix
  }
  assert.deepEqual(parseCreate(given), { name: 'ok', namespace: 'prod-1', image: 'node-20', mode: 'permanent', type: 't', config: {} })
})

test('wrong names, namespaces and images are refused', () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ name: '\u{1f600}'.repeat(255) }, 'accepted'],
    [{ name: '\u{1f600}'.repeat(256) }, 'INVALID_NAME_LENGTH name'],
    [{ name: 'a\u0000' }, 'validation_error name'],
    [{ name: 'a\u001b[31m' }, 'validation_error name'],
    [{ name: '\ud800' }, 'validation_error name'],
    [{ name: null }, 'validation_error name'],
    [{ name: '' }, 'accepted'],
    [{ namespace: null }, 'accepted'],
    [{ namespace: '' }, 'INVALID_NAMESPACE namespace'],
    [{ namespace: 7 }, 'INVALID_NAMESPACE namespace'],
    [{ namespace: 'a_b' }, 'INVALID_NAMESPACE namespace'],
    [{ namespace: 'a'.repeat(129) }, 'INVALID_NAMESPACE namespace'],
    [{ image: undefined }, 'INVALID_IMAGE image'],
    [{ image: 20 }, 'INVALID_IMAGE image'],
    [{ image: ' ' }, 'INVALID_IMAGE image'],
    [{ image: 'x'.repeat(513) }, 'INVALID_IMAGE image'],
    [{ unknown: { deep: true }, region: 'eu' }, 'accepted'],
  ]
  for (const [given, expected] of cases) assert.equal(codeOf(parseCreate, { image: 'node-20', ...given }), expected, JSON.stringify(given).slice(0, 60))
})

test('an update takes name and config only', () => {
  assert.deepEqual(parseUpdate({}), {})
  assert.deepEqual(parseUpdate({ name: 'n', config: { cpus: 2 } }), { name: 'n', config: { cpus: 2 } })
  assert.equal(codeOf(parseUpdate, { image: 'x' }), 'validation_error image')
  assert.equal(codeOf(parseUpdate, JSON.parse('{"__proto__":1}')), 'validation_error __proto__')
  assert.equal(codeOf(parseUpdate, { name: '' }), 'validation_error name')
  assert.equal(codeOf(parseUpdate, { config: null }), 'INVALID_CONFIG config')
  assert.equal(codeOf(parseUpdate, []), 'validation_error body')
})

test('a start takes force', () => {
  assert.deepEqual(parseStart({}), { force: false })
  assert.deepEqual(parseStart({ force: true, other: 1 }), { force: true })
  assert.equal(codeOf(parseStart, { force: 'yes' }), 'validation_error force')
})
