/** The page about the SDK: it lists what there is. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import test from 'node:test'
import * as sdk from './index.ts'

const page = await readFile(new URL('../../../docs/sdk.md', import.meta.url), 'utf8')

test('every method has its row, and every row its method', () => {
  const { workspaces } = new sdk.Alcove({ clientId: 'a', clientSecret: 'b', baseUrl: 'http://127.0.0.1:1' })
  const methods = Object.entries(workspaces).flatMap(([name, value]) =>
    typeof value === 'function' ? [name] : Object.keys(value).map((inner) => `${name}.${inner}`),
  )
  const rows = [...page.matchAll(/^\| (`[a-zA-Z.]+\(.*?) \| /gm)].map(([, row]) => row ?? '')
  const listed = rows.flatMap((row) => [...row.matchAll(/`([a-zA-Z.]+)\(/g)].map(([, name]) => name))
  assert.deepEqual(listed.toSorted(), methods.toSorted())
})

test('every class of error stands on the page', () => {
  const classes = Object.values(sdk).filter((value) => value.prototype instanceof sdk.AlcoveError)
  assert.ok(classes.length > 9)
  for (const { name } of classes) assert.ok(page.includes(`| \`${name}\` |`), name)
})
