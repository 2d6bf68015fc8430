/** The contract and what is made from it agree: generated files, error codes, operations. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { errors, isErrorCode, type Operation, operations } from '@alcove/contract'
import { generatedFiles } from '../../packages/contract/src/generated.ts'
import { errorsOf } from '../../packages/contract/src/openapi.ts'

const root = join(import.meta.dirname, '../..')

test('generated files are what the contract renders', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'packages/server/package.json'), 'utf8')) as { version: string }
  for (const { path, render } of generatedFiles(version)) {
    const current = await readFile(join(root, path), 'utf8').catch(() => undefined)
    const text = render(current)
    if (text !== undefined) assert.equal(current === text, true, `${path} is stale: run script/generate`)
  }
})

test('every registered code is raised somewhere, and every raised code is registered', async () => {
  const raised = new Set<string>()
  for (const entry of await readdir(join(root, 'packages/server/src'), { recursive: true })) {
    if (!entry.endsWith('.ts') || entry.endsWith('.test.ts')) continue
    const source = await readFile(join(root, 'packages/server/src', entry), 'utf8')
    for (const [, code = ''] of source.matchAll(/(?:fail|new AlcoveError)\(\s*'(\w+)'/g)) {
      assert.ok(isErrorCode(code), `${entry} raises ${code}, which is not registered`)
      raised.add(code)
    }
    // Codes that a helper raises for its caller, or that a table or switch chooses: an argument, a branch or an entry.
    for (const [, code = ''] of source.matchAll(/(?:\w\(\s*|(?:return|:|\?|\?\?|=>)\s+)'(\w+)'/g)) if (isErrorCode(code)) raised.add(code)
  }
  assert.deepEqual(
    Object.keys(errors).filter((code) => !raised.has(code)),
    [],
    'these codes are documented and never raised',
  )
})

test('every operation names registered codes, once each', () => {
  for (const [name, operation] of Object.entries(operations) as [string, Operation][]) {
    assert.ok(operation.errors.every(isErrorCode), name)
    assert.equal(new Set(operation.errors).size, operation.errors.length, name)
    assert.ok(errorsOf(operation).length > 0, name)
  }
})

test('every reference of the OpenAPI document leads somewhere, and every path parameter is declared', async () => {
  const text = await readFile(join(root, 'openapi.json'), 'utf8')
  const document = JSON.parse(text) as {
    paths: Record<string, Record<string, { parameters?: { name: string; in: string }[] }>>
    components: { schemas: Record<string, unknown> }
  }
  for (const [, name = ''] of text.matchAll(/"\$ref": "#\/components\/schemas\/(\w+)"/g)) assert.ok(Object.hasOwn(document.components.schemas, name), name)
  for (const [path, methods] of Object.entries(document.paths)) {
    const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    for (const { parameters = [] } of Object.values(methods)) {
      assert.deepEqual(
        parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name),
        wanted,
      )
    }
  }
})
