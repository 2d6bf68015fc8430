/** Connections that break before there is a request: header floods, broken HTTP, requests that never end. */
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ErrorCode, httpStatus } from '@alcove/contract'
import { newId } from '../lib/ids.ts'
import { renderRawAnswer } from './errors.ts'

/** Answers in the one envelope and closes; for Node's `clientError` event. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || hasAnswerUnderWay(socket)) {
    socket.destroy()
    return
  }
  const code = codeOf(error.code)
  socket.end(renderRawAnswer(code, STATUS_CODES[httpStatus(code)] ?? 'Error', newId('req')))
  // A client that keeps sending without reading would hold the socket.
  socket.once('finish', () => socket.destroy())
}

/** Answers a request to become a tunnel and closes; for Node's `connect` event. */
export function answerConnect(socket: Duplex): void {
  socket.on('error', () => socket.destroy())
  socket.end(renderRawAnswer('method_not_allowed', 'Method Not Allowed', newId('req')))
}

function codeOf(code: string | undefined): ErrorCode {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return 'headers_too_large'
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request_timeout'
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'payload_too_large'
    default:
      return 'bad_request'
  }
}

/** Bytes in the middle of another answer would corrupt it. `_httpMessage` is what Node's own handler looks at. */
function hasAnswerUnderWay(socket: Socket): boolean {
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage?.headersSent === true
}
