/** The client commands of `alcove`: arguments in, exit code out. */
import { readEnvironment } from './environment.ts'
import { runCli } from './run.ts'

// `alcove ls | head` closes the pipe early; that is not a failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})
process.exitCode = await runCli(process.argv.slice(2), readEnvironment())
