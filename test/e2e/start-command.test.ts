/** The start command: what it is given, how its end is told, and who looks after its processes. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'

const daemonOf = sharedDaemon({ config: { stopGraceSeconds: 2 } })
const config = { memory_mb: 256, writable_size_mb: 64 }
const create = (cmd: string | string[], more = {}) => daemonOf().workspaces.create({ image: 'busybox', config: { ...config, cmd, ...more } })
const logged = (id: string, pattern: RegExp) => untilLogged(daemonOf().workspaces, id, pattern)

test('it gets the environment of request and image, the working directory and the user of the image', async () => {
  const env = [{ key: 'GREETING', value: 'hello  "world" $HOME' }, 'PATH=/bin:/usr/bin']
  const { id } = await create(staying('echo "env=$GREETING path=$PATH"; echo "cwd=$(pwd) user=$(id -un)"; tr "\\0" "\\n" </proc/self/environ'), { env })
  await logged(id, /stdout: env=hello {2}"world" \$HOME path=\/bin:\/usr\/bin$/m)
  await logged(id, /stdout: cwd=\/root user=root$/m)
  await logged(id, /stdout: HOME=\/root$/m)
})

test('a string is run by a shell, standard error is told apart, and the exit code is logged', async () => {
  const { id } = await create('echo out && echo err >&2; exit 7')
  await logged(id, /stdout: out$/m)
  await logged(id, /stderr: err$/m)
  await logged(id, /alcove: .*exited with code 7$/m)
  assert.equal((await daemonOf().workspaces.get(id)).status, 'running', 'the end of its command is not the end of a workspace')
})

test('a program that does not exist leaves the workspace running and is told in the log', async () => {
  const { id, status } = await create(['no-such-program', 'x'], { wait_for_init: true })
  assert.equal(status, 'running')
  await logged(id, /alcove: .*no-such-program/)
  assert.equal((await daemonOf().workspaces.get(id)).status, 'running')
})

test('a command that ignores SIGTERM is killed at a stop, after the grace time', async () => {
  const { id } = await create(staying('trap "echo ignored" TERM; echo ready; while :; do sleep 0.2; done'))
  await logged(id, /stdout: ready$/m)
  const before = performance.now()
  const stopped = await daemonOf().workspaces.stop(id)
  const took = performance.now() - before
  assert.equal(stopped.status, 'stopped')
  assert.equal(stopped.info.failure, undefined)
  assert.ok(took >= 1900, `the command had its grace time: ${took} ms`)
  assert.match(await daemonOf().workspaces.logs(id), /stdout: ignored/, 'it was asked before it was killed')
})

test('a command that obeys SIGTERM is stopped in an orderly way and may write until it ends', async () => {
  const script = 'cat /root/farewell; trap "echo bye >/root/farewell; echo obeyed; exit 0" TERM; echo ready; while :; do sleep 0.2; done'
  const { id } = await create(['sh', '-c', script])
  await logged(id, /stdout: ready$/m)
  await daemonOf().workspaces.stop(id)
  assert.match(await daemonOf().workspaces.logs(id), /stdout: obeyed/)
  await daemonOf().workspaces.start(id)
  await logged(id, /stdout: bye$/m)
})

test('PID 1 reaps the children of dead parents', async () => {
  const orphans = 'for i in 1 2 3 4 5 6 7 8; do sh -c "sleep 0.$i & exit" & done; wait; sleep 3'
  const count =
    'n=0; for s in /proc/[0-9]*/stat; do case $(cut -d")" -f2 "$s" 2>/dev/null) in " Z"*) n=$((n+1));; esac; done; echo "zombies $n of $(ls -d /proc/[0-9]* | wc -l)"'
  const { id } = await create(staying(`${orphans}; ${count}`))
  const [, zombies] = await logged(id, /zombies (\d+) of \d+/)
  assert.equal(zombies, '0')
})

test('fatal signals to PID 1 from inside have no effect', async () => {
  const { id } = await create(staying('kill -9 1; kill -STOP 1; kill -SEGV 1; sleep 2; echo "still here"'))
  await logged(id, /stdout: still here$/m)
  assert.equal((await daemonOf().workspaces.details(id)).workspace.ready, true)
})
