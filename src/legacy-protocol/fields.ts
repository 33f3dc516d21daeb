/** Field types of a frame: one value carries the check, the JSON Schema and the TypeScript type. */
import { excerpt } from '../limits.ts'

export type JsonSchema = Readonly<Record<string, unknown>>
export type JsonObject = Readonly<Record<string, unknown>>

/** One member of a frame's `data`; T is its type after decoding, defaults included. */
export interface Field<T> {
  readonly schema: JsonSchema
  /**
   * What is wrong with a value, as a sentence that begins with its `path`; null if nothing. `data` is the containing object,
   * for rules that span two members.
   */
  readonly problem: (value: unknown, path: string, data: JsonObject) => string | null
  /** What `schema` can't express because it spans two members: a schema for the object that contains this field. */
  readonly rule?: JsonSchema
  /** The value for null or a missing member; a field without it is required. */
  readonly absent?: T
  /** Whether the empty string counts as absent too. */
  readonly emptyIsAbsent?: boolean
}

/** An optional field. */
export interface OptionalField<T> extends Field<T> {
  readonly absent: T
}

export type Fields = Readonly<Record<string, Field<unknown>>>

/** The type of an object with these fields. */
export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

type OptionalNames<F> = { [K in keyof F]: F[K] extends { readonly absent: unknown } ? K : never }[keyof F]

/** The type of an object with these fields as a client may send it: optional ones may be null or missing. */
export type WireValues<F extends Fields> = { readonly [K in Exclude<keyof F, OptionalNames<F>>]: Values<F>[K] } & {
  readonly [K in OptionalNames<F>]?: Values<F>[K] | null
}

/** An object's own member; inherited ones do not count. */
export function ownMember(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Describes a received value for an error's reason: its type, and at most the beginning of the value. */
export function got(value: unknown): string {
  if (value === undefined) return 'is missing'
  if (value === null) return 'is null'
  if (typeof value === 'string') return `is the string ${excerpt(value)}`
  if (typeof value === 'object') return Array.isArray(value) ? 'is an array' : 'is an object'
  return `is the ${typeof value} ${String(value)}`
}

function field<T>(schema: JsonSchema, expected: string, is: (value: unknown) => boolean): Field<T> {
  return { schema, problem: (value, path) => (is(value) ? null : `${path} ${got(value)}, expected ${expected}`) }
}

/** An integer within bounds; 1.0 and 1e2 are integers, as everywhere in JSON. */
export function integer(minimum: number, maximum: number): Field<number> {
  const is = (value: unknown) => Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
  return field({ type: 'integer', minimum, maximum }, `an integer of ${minimum} to ${maximum}`, is)
}

export function boolean(): Field<boolean> {
  return field({ type: 'boolean' }, 'true or false', (value) => typeof value === 'boolean')
}

/** The boolean that tells two variants of one frame apart. */
export function variant<const T extends boolean>(which: T): Field<T> {
  return field({ const: which }, 'true or false', (value) => value === which)
}

/** A constant text. */
export function literal<const T extends string>(text: T): Field<T> {
  return field({ const: text }, JSON.stringify(text), (value) => value === text)
}

/** One of these texts. */
export function oneOf<const T extends string>(texts: readonly T[]): Field<T> {
  return field({ enum: [...texts] }, texts.join(', '), (value) => texts.includes(value as T))
}

/** A string with further checks and their JSON Schema. */
export function string(
  problemWith?: (text: string, path: string, data: JsonObject) => string | null,
  schema: JsonSchema = {},
  rule?: JsonSchema,
): Field<string> {
  return {
    schema: { type: 'string', ...schema },
    ...(rule && { rule }),
    problem(value, path, data) {
      if (typeof value !== 'string') return `${path} ${got(value)}, expected a string`
      return problemWith === undefined ? null : problemWith(value, path, data)
    },
  }
}

export function array<T>(items: Field<T>): Field<readonly T[]> {
  return field({ type: 'array', items: items.schema }, 'an array', Array.isArray)
}

/** An array of at most `maxItems` items, each checked by itself. */
export function list<T>(items: Field<T>, maxItems: number): Field<readonly T[]> {
  return {
    schema: { type: 'array', items: items.schema, maxItems },
    problem(value, path, data) {
      if (!Array.isArray(value)) return `${path} ${got(value)}, expected an array`
      if (value.length > maxItems) return `${path} has ${value.length} items, expected at most ${maxItems}`
      for (const [index, item] of value.entries()) {
        const problem = items.problem(item, `${path}[${index}]`, data)
        if (problem !== null) return problem
      }
      return null
    },
  }
}

/** An object; without fields any object. Its members are for the schema and the type, the check does not descend. */
export function object<F extends Fields>(fields: F): Field<Values<F>> {
  return field(objectSchema(fields, Object.keys(fields)), 'an object', isJsonObject)
}

export function optional<T, const A>(inner: Field<T>, absent: A): OptionalField<T | A> {
  return { schema: { anyOf: [inner.schema, { type: 'null' }], default: absent }, problem: inner.problem, absent }
}

export function nullable<T>(inner: Field<T>): OptionalField<T | null> {
  return optional(inner, null)
}

export function nullableOrEmpty(inner: Field<string>): OptionalField<string | null> {
  const schema = { anyOf: [inner.schema, { const: '' }, { type: 'null' }], default: null }
  return { schema, problem: inner.problem, absent: null, emptyIsAbsent: true }
}

/** The names of required fields. */
export function requiredNames(fields: Fields): string[] {
  return Object.keys(fields).filter((name) => fields[name]?.absent === undefined)
}

/** The JSON Schema of an object with these fields; further members are allowed. */
export function objectSchema(fields: Fields, required: readonly string[]): JsonSchema {
  const properties = Object.fromEntries(Object.entries(fields).map(([name, { schema }]) => [name, schema]))
  const rules = Object.values(fields).flatMap(({ rule }) => rule ?? [])
  return { type: 'object', properties, required, ...(rules.length > 0 && { allOf: rules }) }
}
