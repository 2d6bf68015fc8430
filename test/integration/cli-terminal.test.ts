/** The CLI on a terminal: the pseudo-terminal is made by `script` of util-linux. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ContractServer, clientId, clientSecret, setStatus, startContractServer } from '../support/contract-server.ts'

const main = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url))

/** Runs the CLI on a terminal of 80 columns; types `key` once `prompt` is on the screen. */
async function runOnTerminal(t: TestContext, server: ContractServer, args: string, prompt?: RegExp, key = ''): Promise<{ code: number; screen: string }> {
  const env = {
    HOME: '/nonexistent',
    PATH: '/usr/bin:/bin',
    TERM: 'xterm',
    ALCOVE_URL: server.url,
    ALCOVE_CLIENT_ID: clientId,
    ALCOVE_CLIENT_SECRET: clientSecret,
  }
  const command = `stty cols 80 rows 24; exec '${process.execPath}' --conditions=source '${main}' ${args}`
  const child = spawn('script', ['-qec', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  let screen = ''
  let isTyped = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
    if (isTyped || !prompt?.test(screen)) return
    isTyped = true
    child.stdin.write(key)
  })
  const [code] = await once(child, 'close')
  return { code, screen }
}

test('rm asks on a terminal, and deletes only after a yes', async (t) => {
  const server = await startContractServer()
  t.after(() => server.close())
  const { id } = server.addWorkspace()
  const prompt = /Delete[\s\S]*No[\s\S]*└/
  for (const [key, code, left] of [
    ['n', 1, 1],
    ['\r', 1, 1],
    ['\u0003', 130, 1],
    ['y', 0, 0],
  ] as const) {
    const result = await runOnTerminal(t, server, `rm ${id}`, prompt, key)
    assert.equal(result.code, code, result.screen)
    assert.equal(server.workspaces.size, left)
  }
  const { id: second } = server.addWorkspace()
  assert.equal((await runOnTerminal(t, server, `rm -y ${second}`)).code, 0)
})

test('a spinner turns on a terminal while a workspace is made, an interrupt ends it, and tables fit', async (t) => {
  const server = await startContractServer()
  t.after(() => server.close())
  server.createdStatus = 'creating'
  server.onLook = (workspace) => {
    workspace.provisioning = { state: 'running', phase: 'preparing', message: 'building node-20', error: null }
  }
  const interrupted = await runOnTerminal(t, server, 'create --image node-20', /building node-20/, '\u0003')
  assert.equal(interrupted.code, 130)
  assert.match(interrupted.screen, /⠋ creating a workspace from node-20/)
  server.onLook = (workspace) => setStatus(workspace, 'running')
  const made = await runOnTerminal(t, server, `create --image node-20 --name '${'long name '.repeat(12)}'`)
  assert.equal(made.code, 0, made.screen)
  const table = await runOnTerminal(t, server, 'ls')
  for (const line of table.screen.split('\r\n')) assert.ok(line.length <= 80, line)
  assert.match(table.screen, /long.*…/)
})
