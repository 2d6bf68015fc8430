/** Schemas of what the agent answers: the shapes of `guest.ts` with bounds on everything. */
import Type, { type Static } from 'typebox'
import type { GuestInfo, GuestStats } from './guest.ts'

const text = (maxLength: number) => Type.String({ maxLength })
const count = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const seconds = () => Type.Number({ minimum: 0, maximum: 1e12 })

/** Answer of `info` and `configure`. */
export const InfoAnswer = Type.Object(
  {
    bootId: text(128),
    kernelRelease: text(256),
    kernelVersion: text(256),
    machine: text(256),
    hostname: text(256),
    agentVersion: text(128),
    uptimeSeconds: seconds(),
    cpus: Type.Integer({ minimum: 1, maximum: 4096 }),
    memoryTotalBytes: count(),
    phase: Type.Union([Type.Literal('waiting'), Type.Literal('configuring'), Type.Literal('ready'), Type.Literal('failed')]),
    message: text(8192),
    start: Type.Object(
      {
        state: Type.Union([Type.Literal('none'), Type.Literal('running'), Type.Literal('exited'), Type.Literal('failed')]),
        pid: count(),
        exitCode: Type.Union([Type.Integer({ minimum: 0, maximum: 255 }), Type.Null()]),
        message: text(8192),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
)

/** Answer of `stats`. */
export const StatsAnswer = Type.Object(
  {
    uptimeSeconds: seconds(),
    cpuBusyMs: count(),
    cpuTotalMs: count(),
    memoryTotalBytes: count(),
    memoryUsedBytes: count(),
    diskTotalBytes: count(),
    diskUsedBytes: count(),
  },
  { additionalProperties: false },
)

/** Answer of `time` and `shutdown`. */
export const AcceptedAnswer = Type.Object({}, { additionalProperties: false })

/** Any answer that is not 2xx. */
export const ErrorAnswer = Type.Object({ error: text(8192) }, { additionalProperties: false })

// The schemas and the interface say the same; a difference does not compile.
type Same<A, B> = A extends B ? (B extends A ? true : never) : never
type Plain<T> = { -readonly [K in keyof T]: T[K] extends object ? Plain<T[K]> : T[K] }
true satisfies Same<Static<typeof InfoAnswer>, Plain<GuestInfo>>
true satisfies Same<Static<typeof StatsAnswer>, Plain<GuestStats>>
