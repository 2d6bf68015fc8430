import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import test from 'node:test'
import { createProgram } from './program.ts'

const environment = {
  url: undefined,
  clientId: undefined,
  clientSecret: undefined,
  credentialsPath: '/nonexistent',
  credentialsPathGiven: false,
  canAnimate: false,
}
const { commands } = createProgram({ environment, signal: new AbortController().signal, isJson: false })

test('the page about the CLI lists exactly the commands there are', async () => {
  const page = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| (`[a-z].*?) \| /gm)].map(([, commandsOfRow]) => commandsOfRow ?? '')
  const listed = rows.flatMap((row) => [...row.matchAll(/`([a-z]+)\b[^`]*`/g)].map(([, name]) => name))
  assert.deepEqual(listed.toSorted(), commands.map((command) => command.name()).toSorted())
})

test('every option of a command stands on the page, and the help has every command in a group', async () => {
  const page = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8')
  for (const command of commands) {
    assert.notEqual(command.helpGroup(), '', command.name())
    for (const { long, short, hidden } of command.options) {
      const isThere = [long, short].some((flag) => flag && page.includes(`${flag}`))
      assert.ok(hidden || isThere, `${command.name()} ${long}`)
    }
  }
})
