/** The one way a value gets into a path. */
import { ValidationError } from './errors.ts'

/** Makes a path of a template; each value becomes exactly one segment, whatever is in it. @throws ValidationError when a value cannot be one. */
export function path(parts: TemplateStringsArray, ...values: string[]): string {
  return parts.reduce((made, part, index) => made + segment(values[index - 1]) + part)
}

function segment(value: unknown): string {
  // A dot segment would be folded away by every URL parser, also when it is percent-encoded.
  if (typeof value !== 'string' || value === '' || value === '.' || value === '..') {
    throw new ValidationError(`${JSON.stringify(value) ?? 'undefined'} cannot be an id; give the id of a workspace`, { code: 'validation_error' })
  }
  try {
    return encodeURIComponent(value)
  } catch (error) {
    throw new ValidationError('an id must be well-formed Unicode', { code: 'validation_error' }, error)
  }
}

/** Renders a query string; undefined and null values are left out. */
export function renderQuery(query: object): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) parameters.append(name, String(value))
  }
  const rendered = parameters.toString()
  return rendered === '' ? '' : `?${rendered}`
}
