/** Prints JSON Schemas as TypeScript declarations: how the SDK gets its types without depending on this package. */

/** The part of JSON Schema that the contract uses. */
export interface Schema {
  readonly type?: string
  readonly description?: string
  readonly enum?: readonly (string | number)[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly examples?: readonly unknown[]
  readonly default?: unknown
}

/** A declaration to print: its doc comment and its schema. */
export interface Declaration {
  readonly description: string
  readonly schema: Schema
}

/** Renders one exported declaration for each name; a schema that equals a named one is printed as that name. */
export function renderTypes(declarations: Readonly<Record<string, Declaration>>): string {
  const names = new Map(Object.entries(declarations).map(([name, { schema }]) => [shapeOf(schema), name]))
  const parts = Object.entries(declarations).map(([name, { description, schema }]) => {
    const comment = `/** ${description} */\n`
    if (schema.properties) return `${comment}export interface ${name} ${renderObject(schema, names, '')}\n`
    return `${comment}${renderAlias(name, renderType(schema, names, ''))}\n`
  })
  return parts.join('\n')
}

/** A field may carry its own description or default and still be of the named type. */
function shapeOf(schema: Schema): string {
  const { description: _description, default: _default, ...shape } = schema
  return JSON.stringify(shape)
}

/** One line where it fits the line width, else one line for each option. */
function renderAlias(name: string, type: string): string {
  const line = `export type ${name} = ${type}`
  return line.length <= 160 ? line : `export type ${name} =\n  | ${type.split(' | ').join('\n  | ')}`
}

function renderNamed(schema: Schema, names: ReadonlyMap<string, string>, indent: string): string {
  return names.get(shapeOf(schema)) ?? renderType(schema, names, indent)
}

function renderType(schema: Schema, names: ReadonlyMap<string, string>, indent: string): string {
  if (schema.const !== undefined) return literal(schema.const)
  if (schema.enum) return schema.enum.map(literal).join(' | ')
  if (schema.anyOf) return schema.anyOf.map((option) => renderNamed(option, names, indent)).join(' | ')
  if (schema.properties) return renderObject(schema, names, indent)
  if (schema.patternProperties) {
    return `Record<string, ${Object.values(schema.patternProperties)
      .map((value) => renderNamed(value, names, indent))
      .join(' | ')}>`
  }
  if (schema.type === 'array') return renderArray(schema.items ?? {}, names, indent)
  return plainTypes[schema.type ?? ''] ?? 'unknown'
}

const plainTypes: Readonly<Record<string, string>> = {
  string: 'string',
  integer: 'number',
  number: 'number',
  boolean: 'boolean',
  null: 'null',
  object: 'Record<string, unknown>',
}

function renderArray(items: Schema, names: ReadonlyMap<string, string>, indent: string): string {
  const item = renderNamed(items, names, indent)
  return item.includes(' | ') ? `(${item})[]` : `${item}[]`
}

function renderObject(schema: Schema, names: ReadonlyMap<string, string>, indent: string): string {
  const inner = `${indent}  `
  const fields = Object.entries(schema.properties ?? {}).map(([key, value]) => {
    const about = describe(value)
    const comment = about === '' ? '' : `${inner}/** ${about} */\n`
    const optional = schema.required?.includes(key) ? '' : '?'
    return `${comment}${inner}${key}${optional}: ${renderNamed(value, names, inner)}\n`
  })
  return `{\n${fields.join('')}${indent}}`
}

/** Description, bounds and default of a field, as one line. */
function describe(schema: Schema): string {
  const facts: string[] = []
  if (schema.description) facts.push(schema.description)
  if (schema.minimum !== undefined && schema.maximum !== undefined) facts.push(`${schema.minimum} to ${schema.maximum}.`)
  else if (schema.minimum !== undefined) facts.push(`At least ${schema.minimum}.`)
  if (schema.maxLength !== undefined) facts.push(`At most ${schema.maxLength} characters.`)
  if (schema.default !== undefined) facts.push(`Default ${JSON.stringify(schema.default)}.`)
  return facts.join(' ').replaceAll('*/', '*\\/')
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'` : String(value)
}
