/** What the schemas of answers have in common. */
import Type, { type TProperties } from 'typebox'

/** A point in time as it is written on the wire. */
export const timestamp = (description: string) => Type.String({ format: 'date-time', description: `${description} ISO 8601, UTC.` })

/** The body of a success: `success` and the named payload. */
export const answer = <T extends TProperties>(properties: T) => Type.Object({ success: Type.Literal(true), ...properties }, { additionalProperties: false })
