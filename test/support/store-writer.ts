/** A process that opens a database and writes to it: says `open`, then `acknowledged N` after each commit. Arguments: file, transactions. */
import { addAccount, openTestStore } from './store.ts'

const say = (line: string) => void process.stdout.write(`${line}\n`)
const [path = '', count = '0'] = process.argv.slice(2)
const store = await openTestStore(`sqlite:${path}`)
say('open')
for (let index = 1; index <= Number(count); index++) {
  const id = await store.transaction((tx) => addAccount(tx))
  say(`acknowledged ${index} ${id}`)
}
await store.close()
say('closed')
