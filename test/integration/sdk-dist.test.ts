/** The built package: what a stranger installs. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { clientId, clientSecret, startContractServer } from '../support/contract-server.ts'

const run = promisify(execFile)
const sdkDir = fileURLToPath(new URL('../../packages/sdk', import.meta.url))
const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc')

/** Builds the package into a directory of the test, laid out as an installation. */
async function install(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'alcove-sdk-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const packageDir = join(dir, 'node_modules/@alcove/sdk')
  await mkdir(packageDir, { recursive: true })
  await run(process.execPath, [tsc, '-p', sdkDir, '--outDir', join(packageDir, 'dist')])
  await writeFile(join(packageDir, 'package.json'), await readFile(join(sdkDir, 'package.json')))
  await writeFile(join(dir, 'package.json'), '{"type":"module"}')
  return dir
}

/** The oldest Node that is at hand: the one of the system where there is one, else the one that runs the tests. */
async function oldestNode(): Promise<string> {
  for (const path of ['/usr/bin/node', '/usr/local/bin/node']) {
    const found = await run(path, ['--version']).catch(() => undefined)
    if (found && Number(/^v(\d+)/.exec(found.stdout)?.[1]) >= 20) return path
  }
  return process.execPath
}

test('the built package runs in an old Node, compiles for its users, and holds nothing that browsers lack', async (t) => {
  const dir = await install(t)
  const server = await startContractServer()
  t.after(() => server.close())
  const options = JSON.stringify({ clientId, clientSecret, baseUrl: server.url })
  const snippet = `import { Alcove, NotFoundError } from '@alcove/sdk'
const client = new Alcove(${options})
const workspace = await client.workspaces.create({ image: 'busybox', config: { cpus: 1 } })
for await (const found of client.workspaces.listAll()) console.log(found.id === workspace.id)
for await (const event of client.events.stream({ lastEventId: '0' })) { console.log(event.workspace_id === workspace.id); break }
const { generation } = await client.workspaces.pause(workspace.id)
console.log((await client.workspaces.lifecycle.setTtl(workspace.id, { ttl: '1h' }, { ifGeneration: generation })).expires_at !== undefined)
try { await client.workspaces.get('ws_none') } catch (error) { console.log(error instanceof NotFoundError) }
`
  await writeFile(join(dir, 'snippet.ts'), snippet)
  await writeFile(join(dir, 'snippet.js'), snippet)

  const { stdout } = await run(await oldestNode(), ['snippet.js'], { cwd: dir })
  assert.equal(stdout, 'true\n'.repeat(4))

  const compilerOptions = { module: 'nodenext', target: 'es2022', lib: ['es2023', 'dom'], types: [], strict: true, skipLibCheck: false, noEmit: true }
  await writeFile(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['snippet.ts'] }))
  await run(process.execPath, [tsc, '-p', dir]).catch((error) => assert.fail(`${error.stdout}`))

  const dist = join(dir, 'node_modules/@alcove/sdk/dist')
  for (const file of await readdir(dist)) {
    const text = await readFile(join(dist, file), 'utf8')
    for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g))
      assert.match(specifier ?? '', /^\.\//, `${file} imports ${specifier}`)
    assert.doesNotMatch(text, /\b(process|Buffer|require|__dirname|global)\b\s*[.(]/, file)
  }
})
