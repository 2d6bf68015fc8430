/** Signs of life on standard error while a call takes long. */
import { every } from '../clock.ts'
import type { Context } from '../context.ts'
import { escapeText, truncate } from './text.ts'

/** Something that is going on. */
export interface Progress {
  /** Says what is being done now; the same again is not repeated. */
  say(message: string): void
  /** Takes the signs away. */
  end(): void
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 100

/**
 * Starts a progress: a spinner on a terminal, a line for each change elsewhere, nothing with `--json`.
 * Own rather than the prompt library's: that one puts the terminal in raw mode and ends the process with 0 on an interrupt.
 */
export function startProgress({ environment, isJson }: Context, first: string): Progress {
  if (isJson) return { say() {}, end() {} }
  const isSpinner = process.stderr.isTTY && environment.canAnimate
  return isSpinner ? startSpinner(first) : startLines(first)
}

function startSpinner(first: string): Progress {
  let message = first
  let frame = 0
  const draw = () => {
    const text = truncate(escapeText(message), (process.stderr.columns || 80) - 3)
    process.stderr.write(`\r\u001b[K${frames[frame++ % frames.length]} ${text}`)
  }
  draw()
  const stop = every(frameMs, draw)
  return {
    say(next) {
      message = next
    },
    end() {
      stop()
      process.stderr.write('\r\u001b[K')
    },
  }
}

/** The first message is what the user asked for, so it is not said. */
function startLines(first: string): Progress {
  let last = first
  return {
    say(message) {
      if (message !== last) process.stderr.write(`${escapeText(message)}\n`)
      last = message
    },
    end() {},
  }
}
