/** The text of a stream of server-sent events, taken apart. @see WHATWG HTML, section 9.2.6 */

/** One message of a stream. */
export interface Message {
  readonly data: string
}

/** Takes a stream apart, piece by piece. */
export interface SseParser {
  /** Id of the last message, or what the stream said without a message; undefined before the first. */
  readonly lastEventId: string | undefined
  /** Takes the next piece of the stream. @returns The messages it completed. @throws RangeError when a line or a message is too long. */
  add(piece: string): Message[]
}

/** Makes a parser. @param longestChars Most characters of one line, and of one message. */
export function createSseParser({ longestChars }: { readonly longestChars: number }): SseParser {
  let half = ''
  let data: string[] = []
  let dataChars = 0
  let id: string | undefined
  let lastEventId: string | undefined

  const takeLine = (line: string): Message | undefined => {
    if (line === '') return endMessage()
    const [, name, value] = fieldShape.exec(line) ?? []
    // A colon at the beginning makes a comment: a sign of life and nothing else.
    if (name === 'data') addData(value ?? '')
    else if (name === 'id' && !value?.includes('\0')) id = value ?? ''
    return undefined
  }
  const addData = (value: string) => {
    dataChars += value.length
    if (dataChars > longestChars) throw new RangeError(`a message is longer than ${longestChars} characters`)
    data.push(value)
  }
  const endMessage = (): Message | undefined => {
    // An id counts once its message is whole, so that one that broke off comes again.
    lastEventId = id ?? lastEventId
    const message = data.length > 0 ? { data: data.join('\n') } : undefined
    data = []
    dataChars = 0
    return message
  }

  return {
    get lastEventId() {
      return lastEventId
    },
    add(piece) {
      const lines = (half + piece).split('\n')
      half = lines.pop() ?? ''
      if (half.length > longestChars) throw new RangeError(`a line is longer than ${longestChars} characters`)
      return lines.map((line) => takeLine(line.endsWith('\r') ? line.slice(0, -1) : line)).filter((message) => message !== undefined)
    },
  }
}

/** Name and value; one space behind the colon belongs to neither. */
const fieldShape = /^([^:]+)(?:: ?([\s\S]*))?$/
