/** Reads: `GET` and list with 100 and 10,000 workspaces stored, against node:http answering as many bytes. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'
import { type Finding, interleave, judge, ratios } from './measure.ts'

const serverFile = fileURLToPath(new URL('http-server.ts', import.meta.url))
const secondsPerRound = 2

interface ServerInfo {
  readonly url: string
  readonly id: string
  readonly headers: Record<string, string>
}

/** Measures request rates, as shares of the bare server's. */
export async function benchHttp(rounds: number): Promise<Finding[]> {
  const children: ChildProcess[] = []
  const start = async (...args: string[]) => {
    const child = fork(serverFile, args)
    children.push(child)
    const [info] = await once(child, 'message')
    return info as ServerInfo
  }
  try {
    const few = await start('alcove', '100')
    const atRest = await residentMib(children[0])
    const many = await start('alcove', '10000')
    const getPath = (server: ServerInfo) => `/workspace/${server.id}`
    const bareGet = await start('bare', String(await size(many, getPath(many))))
    const bareList = await start('bare', String(await size(many, '/workspace')))
    const series = await interleave(rounds, {
      'GET bare': () => rate(bareGet, '/'),
      'GET 100': () => rate(few, getPath(few)),
      'GET 10000': () => rate(many, getPath(many)),
      'list bare': () => rate(bareList, '/'),
      'list 100': () => rate(few, '/workspace'),
      'list 10000': () => rate(many, '/workspace'),
    })
    return [
      judge('resident with 100 stored ÷ 200 MiB', [atRest / 200], { atMost: 1 }),
      judge('GET with 10,000 stored ÷ node:http (rate)', ratios(series['GET 10000'], series['GET bare']), { atLeast: 0.4 }),
      judge('GET with 10,000 ÷ with 100 stored (rate)', ratios(series['GET 10000'], series['GET 100']), { atLeast: 0.9 }),
      judge('list with 10,000 stored ÷ node:http (rate)', ratios(series['list 10000'], series['list bare']), { atLeast: 0.4 }),
      judge('list with 10,000 ÷ with 100 stored (rate)', ratios(series['list 10000'], series['list 100']), { atLeast: 0.9 }),
    ]
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

async function residentMib(child: ChildProcess | undefined): Promise<number> {
  child?.send('memory')
  const [answer] = child ? await once(child, 'message') : []
  return (answer as { rss: number }).rss / 1024 ** 2
}

async function size(server: ServerInfo, path: string): Promise<number> {
  const answer = await fetch(server.url + path, { headers: server.headers })
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
  return (await answer.arrayBuffer()).byteLength
}

/** Requests per second; an answer other than 2xx ends the run. */
async function rate(server: ServerInfo, path: string): Promise<number> {
  const result = await autocannon({ url: server.url + path, headers: server.headers ?? {}, connections: 8, duration: secondsPerRound })
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${path}: ${result.non2xx} answers other than 2xx, ${result.errors} errors`)
  return result.requests.average
}
