import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import test from 'node:test'
import { AlcoveError, ConnectionError, RateLimitError, ServerError, TimeoutError } from '@alcove/sdk'
import { exitCodeOf, exitCodes, usageError } from './exit-codes.ts'

test('the page about the CLI lists exactly the exit codes there are', async () => {
  const page = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8')
  const listed = [...page.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code))
  assert.deepEqual(listed, Object.values(exitCodes))
})

test('a server that cannot serve at present is told apart from one that failed', () => {
  const fields = { code: 'x', status: 503 }
  for (const error of [
    new ServerError('x', fields),
    new RateLimitError('x', { ...fields, status: 429 }),
    new ConnectionError('x', { code: 'x' }),
    new TimeoutError('x', { code: 'x' }),
  ]) {
    assert.equal(exitCodeOf(error), exitCodes.unavailable)
  }
  assert.equal(exitCodeOf(new ServerError('x', { ...fields, status: 500 })), exitCodes.failure)
  assert.equal(exitCodeOf(new ServerError('x', { code: 'storage_full', status: 507 })), exitCodes.limit)
  assert.equal(exitCodeOf(new AlcoveError('x', { code: 'x', status: 418 })), exitCodes.failure)
  assert.equal(exitCodeOf(usageError('x')), exitCodes.usage)
  assert.equal(exitCodeOf(new Error('x')), exitCodes.failure)
})
