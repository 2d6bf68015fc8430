/** Arbitrary bytes on a connection: broken, split and flooded HTTP. */
import fc from 'fast-check'

const credentials = (id: string, secret: string) => `X-Client-ID: ${id}\r\nX-Client-Secret: ${secret}\r\n`

/** Byte strings that a client might write, some of them with valid credentials. */
export function arbitraryBytes(clientId: string, clientSecret: string): fc.Arbitrary<Uint8Array> {
  const auth = credentials(clientId, clientSecret)
  const json = '{"image":1}'
  const whole = [
    `POST /workspace HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
    `POST /workspace HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n`,
    `GET /workspace HTTP/1.1\r\nHost: x\r\n${auth}\r\nGET /health HTTP/1.1\r\n\r\n`,
    `GET /workspace HTTP/1.1\r\nHost: x\r\n${auth}X-Flood: ${'a'.repeat(20_000)}\r\n\r\n`,
    `GET /workspace HTTP/1.1\r\n${'A: b\r\n'.repeat(3000)}\r\n`,
    `POST /workspace HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}`,
    `POST /workspace HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `POST /workspace HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"image":`,
    `GET /workspace HTTP/1.1\r\nHost: x\r\nX-Client-ID: ${clientId}\r\nX-Client-ID: ${clientId}\r\nX-Client-Secret: ${clientSecret}\r\n\r\n`,
    `GET http://other.example/workspace HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
    'CONNECT other.example:443 HTTP/1.1\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET /health HTTP/1.0\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /workspace HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  ].map((text) => new TextEncoder().encode(text))
  const changed = fc.tuple(fc.constantFrom(...whole), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })).map(([bytes, changes]) => {
    const copy = bytes.slice()
    for (const [at, value] of changes) copy[at % copy.length] = value
    return copy
  })
  const cut = fc.tuple(fc.constantFrom(...whole), fc.nat()).map(([bytes, at]) => bytes.slice(0, at % bytes.length))
  return fc.oneof(fc.constantFrom(...whole), changed, changed, cut, fc.uint8Array({ maxLength: 200 }))
}
