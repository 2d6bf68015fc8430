import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const server = 'packages/server/src/'

interface SourceFile {
  readonly path: string
  readonly text: string
  /** What it imports: a path below the repository, or a package. `type` when the import leaves nothing at run time. */
  readonly imports: readonly { readonly target: string; readonly isType: boolean }[]
}

const files: SourceFile[] = globSync('packages/*/src/**/*.ts', { cwd: root })
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => {
    const text = readFileSync(join(root, path), 'utf8')
    const imports = [...text.matchAll(/^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm)].map((match) => {
      const specifier = match[2] ?? match[3] ?? ''
      const target = specifier.startsWith('.') ? relative(root, resolve(root, dirname(path), specifier)) : specifier
      return { target, isType: match[1] !== undefined }
    })
    return { path, text, imports }
  })

/** Layer of a file of the server: its folder, `boot` for the meeting place in `runner`, or the file's own name at the top. */
function layer(path: string): string {
  const inside = path.slice(server.length)
  return inside.includes('/') ? inside.slice(0, inside.indexOf('/')) : inside.replace(/\.ts$/, '')
}

/** What each layer may import at run time; types may also come from an interface below it. */
const allowed: Record<string, readonly string[]> = {
  lib: [],
  vmm: ['lib'],
  image: ['lib'],
  network: ['lib'],
  guest: ['lib'],
  runner: ['lib', 'vmm', 'image', 'network', 'guest'],
  config: ['lib', 'tenancy'],
  store: ['lib'],
  tenancy: ['lib', 'store'],
  catalog: ['lib', 'store'],
  workspace: ['lib', 'store', 'tenancy', 'catalog'],
  api: ['lib', 'workspace', 'tenancy', 'catalog'],
  // Looks at everything, is used by the commands only, and changes nothing.
  audit: ['lib', 'config', 'store', 'vmm', 'image', 'network', 'runner'],
}

/** Interfaces that other layers may name as types. */
const typesFrom: Record<string, readonly string[]> = {
  guest: ['network/network.ts'],
  workspace: ['runner/runner.ts', 'image/images.ts', 'vmm/driver.ts'],
  catalog: ['image/images.ts', 'image/catalogue.ts'],
}

test('the folders of the server import in one direction', () => {
  const violations: string[] = []
  for (const { path, imports } of files.filter((file) => file.path.startsWith(server))) {
    const from = layer(path)
    const may = allowed[from]
    if (!may) continue // main, compose and the commands beside them put everything together
    for (const { target, isType } of imports) {
      if (!target.startsWith(server)) continue
      const to = layer(target)
      if (to === from || may.includes(to)) continue
      if (isType && typesFrom[from]?.includes(target.slice(server.length))) continue
      violations.push(`${path} → ${target}`)
    }
  }
  assert.deepEqual(violations, [])
})

test('every folder of the server has its rule', () => {
  const folders = new Set(files.filter((file) => file.path.startsWith(server) && file.path.slice(server.length).includes('/')).map((file) => layer(file.path)))
  assert.deepEqual([...folders].sort(), Object.keys(allowed).sort())
})

test('contract and sdk import nothing of ours, cli only the sdk, nobody but the server the server', () => {
  const violations = files.flatMap(({ path, imports }) => {
    const pkg = path.split('/')[1]
    const may = { contract: ['typebox'], sdk: [], cli: ['@alcove/sdk', 'commander', '@clack/prompts'] }[pkg as string]
    if (!may) return []
    return imports
      .filter(({ target }) => !target.startsWith(`packages/${pkg}/`) && !may.some((name) => target === name || target.startsWith(`${name}/`)))
      .filter(({ target }) => (pkg === 'cli' ? !target.startsWith('node:') : true))
      .map(({ target }) => `${path} → ${target}`)
  })
  assert.deepEqual(violations, [])
})

/** Words that only the named files may use. */
const owned: readonly { readonly what: string; readonly pattern: RegExp; readonly owners: readonly string[] }[] = [
  { what: 'the environment', pattern: /\bprocess\.env\b/, owners: ['config.ts'] },
  { what: 'the time', pattern: /\bDate\.now\(|\bperformance\.now\(/, owners: ['lib/clock.ts'] },
  { what: 'timers', pattern: /\bset(Timeout|Interval)\(|node:timers/, owners: ['lib/clock.ts', 'lib/subprocess.ts'] },
  { what: 'child processes', pattern: /node:child_process/, owners: ['lib/subprocess.ts', 'vmm/qemu/process.ts'] },
]

for (const { what, pattern, owners } of owned) {
  test(`${what} of the server: used in ${owners.join(' and ')} only`, () => {
    const users = files.filter((file) => file.path.startsWith(server) && pattern.test(file.text.replace(/^\s*(\/\/|\/?\*).*$/gm, '')))
    assert.deepEqual(
      users.map((file) => file.path.slice(server.length)).filter((path) => !owners.includes(path)),
      [],
    )
  })
}

test('the status of a workspace is written by the lifecycle only', () => {
  const writers = files.filter((file) => file.path.startsWith(`${server}workspace/`) && /compareAndSet\([^)]*\bstatus:/s.test(file.text))
  assert.deepEqual(
    writers.map((file) => file.path),
    [`${server}workspace/lifecycle.ts`],
  )
})
