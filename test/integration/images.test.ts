import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createDiskStore } from '../../packages/server/src/image/disk-store.ts'
import type { BuildProgress } from '../../packages/server/src/image/images.ts'
import { plainStep } from '../../packages/server/src/lib/step.ts'
import { run, runAny } from '../../packages/server/src/lib/subprocess.ts'
import { openImageStore, scratchDirectory, sharedImageCache, writeRecipes } from '../support/image-store.ts'

const never = new AbortController().signal
const options = { signal: never }

test('fifty creates at once build the image once', async (t) => {
  const directory = await scratchDirectory(t)
  const recipes = await writeRecipes(join(directory, 'recipes'), { counted: 'echo built; echo x >>"$2/builds"; sleep 0.3; echo hello >"$1/file"' })
  const store = await openImageStore(join(directory, 'images'), join(directory, 'cache'), recipes)
  const objects = await Promise.all(Array.from({ length: 50 }, () => store.ensure('counted', options)))
  assert.equal(new Set(objects.map(({ digest }) => digest)).size, 1)
  assert.equal(await readFile(join(directory, 'cache/.downloads/builds'), 'utf8'), 'x\n')
  assert.equal((await store.states()).get('counted')?.state, 'ready')
})

test('processes with different data directories build the image once', async (t) => {
  const directory = await scratchDirectory(t)
  const recipes = await writeRecipes(join(directory, 'recipes'), { counted: 'echo x >>"$2/builds"; sleep 0.5; echo hello >"$1/file"' })
  const lines = await Promise.all([1, 2, 3].map((n) => output(startChild(join(directory, `images${n}`), join(directory, 'cache'), recipes, 'counted'))))
  assert.equal(new Set(lines.map((all) => all.at(-1))).size, 1)
  assert.match(lines[0]?.at(-1) ?? '', /^digest sha256:/)
  assert.equal(await readFile(join(directory, 'cache/.downloads/builds'), 'utf8'), 'x\n')
})

test('a build that was killed leaves no process, keeps its downloads, and the next one succeeds and cleans up', async (t) => {
  const directory = await scratchDirectory(t)
  const cacheDir = join(directory, 'cache')
  const root = join(directory, 'images')
  const script = `
    if [ -e "$2/fetched" ]; then echo 'found download'; cp "$2/fetched" "$1/file"; exit 0; fi
    echo data >"$2/fetched"; mkdir "$1/half"; echo halfway; sleep 300 & wait`
  const recipes = await writeRecipes(join(directory, 'recipes'), { slow: script })
  const child = startChild(root, cacheDir, recipes, 'slow')
  for await (const line of createInterface(child.stdout)) if (line === 'halfway') break
  const [key = ''] = (await readdir(cacheDir)).filter((name) => name.startsWith('.building-'))
  assert.ok(key)
  child.kill('SIGKILL')
  // The lock is free once the last process of the build is gone; flock waits for just that.
  await run(['flock', '-w', '10', join(cacheDir, '.locks', key.replace('.building-', '')), 'true'])
  assert.equal((await runAny(['pgrep', '-f', join(directory, 'recipes')])).stdout, '')

  const store = await openImageStore(root, cacheDir, recipes)
  await store.collect(new Set())
  assert.deepEqual((await readdir(cacheDir)).sort(), ['.downloads', '.locks'])
  const messages: string[] = []
  await store.ensure('slow', { signal: never, onProgress: ({ message }) => messages.push(message) })
  assert.ok(messages.includes('found download'))
  assert.deepEqual(
    (await readdir(cacheDir)).filter((name) => /^\.(building|bad)/.test(name)),
    [],
  )
  assert.equal((await readdir(join(root, 'objects'))).length, 1)
})

test('an image that was left half-built is built again without any cleaning before', async (t) => {
  const directory = await scratchDirectory(t)
  const cacheDir = join(directory, 'cache')
  const recipes = await writeRecipes(join(directory, 'recipes'), { plain: '[ ! -e "$1/half" ]; echo hello >"$1/file"' })
  const first = await openImageStore(join(directory, 'one'), cacheDir, recipes)
  const { digest } = await first.ensure('plain', options)
  const [key = ''] = (await readdir(cacheDir)).filter((name) => name.startsWith('plain-'))
  await rm(join(cacheDir, key), { recursive: true })
  await mkdir(join(cacheDir, `.building-${key}/root/half`), { recursive: true })
  const second = await openImageStore(join(directory, 'two'), cacheDir, recipes)
  assert.equal((await second.ensure('plain', options)).digest, digest, 'same tree, same bytes')
})

test('a damaged object is refused by digest, and rebuilt by name even when the cache is damaged as well', async (t) => {
  const directory = await scratchDirectory(t)
  const [root, cacheDir] = [join(directory, 'images'), join(directory, 'cache')]
  const recipes = await writeRecipes(join(directory, 'recipes'), { plain: 'echo hello >"$1/file"' })
  const { digest, rootfsPath } = await (await openImageStore(root, cacheDir, recipes)).ensure('plain', options)
  // Object and cache entry are one inode: this damages both.
  await appendFile(rootfsPath, 'x')
  const store = await openImageStore(root, cacheDir, recipes)
  await assert.rejects(store.get(digest), { code: 'IMAGE_UNAVAILABLE' })
  assert.equal(await store.find('plain'), undefined)
  assert.equal((await store.ensure('plain', options)).digest, digest)
  assert.equal((await store.get(digest)).digest, digest)
})

test('a failing build is reported with its reason, leaves nothing, and is tried again', async (t) => {
  const directory = await scratchDirectory(t)
  const cacheDir = join(directory, 'cache')
  const script = `[ -e "$2/mended" ] || { mkdir "$1/half"; echo 'the mirror is down' >&2; exit 7; }; echo hello >"$1/file"`
  const store = await openImageStore(join(directory, 'images'), cacheDir, await writeRecipes(join(directory, 'recipes'), { broken: script }))
  const seen: BuildProgress[] = []
  await assert.rejects(store.ensure('broken', { signal: never, onProgress: (progress) => seen.push(progress) }), {
    code: 'IMAGE_UNAVAILABLE',
    message: /the mirror is down/,
  })
  assert.equal(seen.at(-1)?.state, 'failed')
  assert.equal((await store.states()).get('broken')?.state, 'failed')
  assert.deepEqual((await readdir(cacheDir)).sort(), ['.downloads', '.locks'])
  await writeFile(join(cacheDir, '.downloads/mended'), '')
  await store.ensure('broken', options)
  assert.equal((await store.states()).get('broken')?.state, 'ready')
})

test('who stops waiting does not stop the build', async (t) => {
  const directory = await scratchDirectory(t)
  const recipes = await writeRecipes(join(directory, 'recipes'), { slow: 'echo started; while [ ! -e "$2/go" ]; do sleep 0.05; done; echo hello >"$1/file"' })
  const store = await openImageStore(join(directory, 'images'), join(directory, 'cache'), recipes)
  const impatient = new AbortController()
  const onProgress = ({ message }: BuildProgress) => message === 'started' && impatient.abort(new Error('client left'))
  await assert.rejects(store.ensure('slow', { signal: impatient.signal, onProgress }), /client left/)
  assert.equal((await store.states()).get('slow')?.state, 'building')
  await writeFile(join(directory, 'cache/.downloads/go'), '')
  await store.ensure('slow', options)
})

test('a full disk is storage_full, for images and for disks, and nothing half-made stays', async (t) => {
  const directory = await scratchDirectory(t)
  const full = await smallFileSystem(t, 16)
  const script = 'head -c 30000000 /dev/urandom >"$1/file"'
  const recipes = await writeRecipes(join(directory, 'recipes'), { huge: script })
  const store = await openImageStore(join(full, 'images'), join(full, 'cache'), recipes)
  await assert.rejects(store.ensure('huge', options), { code: 'storage_full' })
  assert.deepEqual((await readdir(join(full, 'cache'))).sort(), ['.downloads', '.locks'])

  const [huge] = recipes.catalogue.images
  assert.ok(huge)
  const greedy = { ...recipes, catalogue: { ...recipes.catalogue, images: [{ ...huge, recipe: { ...huge.recipe, freeMib: 1024 } }] } }
  await assert.rejects((await openImageStore(join(full, 'images'), join(full, 'cache'), greedy)).ensure('huge', options), { code: 'storage_full' })

  const disks = createDiskStore({ seedDir: join(directory, 'seeds'), step: plainStep })
  await runAny(['dd', 'if=/dev/zero', `of=${join(full, 'filler')}`, 'bs=64k'])
  await assert.rejects(disks.ensure(join(full, 'disk.raw'), 64 * 1024 * 1024), { code: 'storage_full' })
  assert.deepEqual((await readdir(full)).sort(), ['cache', 'filler'])
})

test('a root file system that is too large is refused', async (t) => {
  const directory = await scratchDirectory(t)
  const recipes = await writeRecipes(join(directory, 'recipes'), { large: 'head -c 70000000 /dev/zero >"$1/file"' })
  const store = await openImageStore(join(directory, 'images'), join(directory, 'cache'), recipes)
  await assert.rejects(store.ensure('large', options), { code: 'IMAGE_UNAVAILABLE', message: /more than the 64 allowed/ })
})

const proofs = [
  { id: 'busybox', argv: ['/bin/sh', '-c', 'uname -s; ls /bin/busybox'], expected: /^Linux\n/ },
  { id: 'debian-12', argv: ['/bin/sh', '-c', 'cat /etc/debian_version; curl --version >/dev/null; ip -V'], expected: /^12\./ },
  { id: 'node-20', argv: ['/bin/sh', '-c', 'node --version; npm --version'], expected: /^v20\.\d+\.\d+\n10\./ },
  { id: 'node-22', argv: ['/bin/sh', '-c', 'node --version; npm --version'], expected: /^v22\.\d+\.\d+\n10\./ },
  { id: 'python-3.11', argv: ['/bin/sh', '-c', 'python3 --version; python3 -m pip --version; python3 -m venv --help >/dev/null'], expected: /^Python 3\.11\./ },
]

for (const { id, argv, expected } of proofs) {
  test(`the image ${id} is built and its programs run`, async (t) => {
    const directory = await scratchDirectory(t)
    const store = await openImageStore(join(directory, 'images'), sharedImageCache)
    const startedAt = performance.now()
    const { rootfsPath, sizeBytes } = await store.ensure(id, options)
    t.diagnostic(`${id}: ${Math.round(performance.now() - startedAt)} ms, ${Math.round(sizeBytes / 1024 / 1024)} MiB`)
    // In a mount, pid and network namespace of its own, unprivileged, with the tree read-only: as little as the programs need.
    const tree = join(directory, 'tree')
    await mkdir(tree)
    const script = 'mount -t erofs -o loop,ro "$1" "$2" && mount -t tmpfs none "$2/tmp" && shift 2 && exec setpriv --no-new-privs "$@"'
    const chroot = ['chroot', '--userspec=65534:65534', tree, 'env', '-i', 'HOME=/tmp', 'PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...argv]
    const printed = await run(['unshare', '--mount', '--pid', '--net', '--fork', '--kill-child', 'sh', '-c', script, 'sh', rootfsPath, tree, ...chroot])
    assert.match(printed, expected)
  })
}

function startChild(root: string, cacheDir: string, recipes: unknown, imageId: string) {
  const program = fileURLToPath(new URL('../support/ensure-image.ts', import.meta.url))
  const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning']
  return spawn(process.execPath, [...flags, program, root, cacheDir, JSON.stringify(recipes), imageId], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function output(child: ReturnType<typeof startChild>): Promise<string[]> {
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) lines.push(line)
  return lines
}

/** A file system of `mib` MiB in memory, taken away at the end of the test. */
async function smallFileSystem(t: TestContext, mib: number): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'alcove-small-'))
  t.after(async () => {
    await runAny(['umount', path])
    await rmdir(path)
  })
  await run(['mount', '-t', 'tmpfs', '-o', `size=${mib}m`, 'alcove-test', path])
  return path
}
