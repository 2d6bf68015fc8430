/** Pieces of a log, written in the form their reader needs. */
import { escapeLog } from './text.ts'

/** `raw`: byte for byte. `terminal`: nothing that could take the terminal over. `json`: one object a line. */
export type LogForm = 'raw' | 'terminal' | 'json'

/** Writes a log piece by piece. */
export interface LogWriter {
  add(piece: string): void
  /** Completes what was begun: a half line, a colour. */
  end(): void
}

/** Makes a writer. */
export function createLogWriter({ write, form }: { readonly write: (text: string) => void; readonly form: LogForm }): LogWriter {
  if (form === 'json') return createLineWriter((line) => write(`${JSON.stringify({ line })}\n`))
  let last = ''
  return {
    add(piece) {
      if (piece === '') return
      write(form === 'terminal' ? escapeLog(piece) : piece)
      last = piece
    },
    end() {
      if (form === 'terminal' && last !== '') write(last.endsWith('\n') ? resetColour : `${resetColour}\n`)
      else if (last !== '' && !last.endsWith('\n')) write('\n')
    },
  }
}

const resetColour = '\u001b[0m'

function createLineWriter(writeLine: (line: string) => void): LogWriter {
  let half = ''
  return {
    add(piece) {
      const lines = (half + piece).split('\n')
      half = lines.pop() ?? ''
      for (const line of lines) writeLine(line)
    },
    end() {
      if (half !== '') writeLine(half)
      half = ''
    },
  }
}
