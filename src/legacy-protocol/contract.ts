/**
 * The legacy protocol for machines: JSON Schemas of all frames and an AsyncAPI document, generated from the tables of
 * frames.ts.
 */
import { CLOSE } from './close-codes.ts'
import { objectSchema, requiredNames, type Fields, type JsonSchema } from './fields.ts'
import type { Capability } from './capabilities.ts'
import {
  CONNECTION_ESTABLISHED,
  CURSOR,
  ECHO,
  ERROR,
  PUSHES,
  REQUESTS,
  TEXTS,
  type AlsoFields,
  type PushType,
  type RequestType,
} from './frames.ts'

interface FrameSpec {
  readonly name: string
  readonly type: string
  readonly summary: string
  readonly schema: JsonSchema
}

const pascal = (name: string): string => name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())
const all = (fields: Fields): JsonSchema => objectSchema(fields, Object.keys(fields))
const constants = (values: Readonly<Record<string, unknown>>): JsonSchema =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { const: value }]))
const eitherOf = (schemas: readonly JsonSchema[]): JsonSchema =>
  schemas.length === 1 ? (schemas[0] as JsonSchema) : { oneOf: schemas }

/** The server's close codes. */
const closeCodes = (): JsonSchema[] =>
  Object.values(CLOSE)
    .filter(({ code }) => code !== CLOSE.normal.code)
    .map(({ code, reason, reconnect }) => ({ code, ...(reason !== '' && { reason }), reconnect }))

interface Spec<F extends Fields | null> {
  readonly fields: F
  readonly groupFields?: Fields
  readonly needs?: Capability
  readonly also?: AlsoFields
}

/** The schemas of a table row: one, or two if `is_group` decides. Fields added by a capability are not required. */
function variantsOf(spec: Spec<Fields>, required: (fields: Fields) => string[]): JsonSchema[] {
  const more = Object.assign({}, ...Object.values(spec.also ?? {})) as Fields
  const variants = spec.groupFields === undefined ? [spec.fields] : [spec.fields, spec.groupFields]
  return variants.map((fields) => objectSchema({ ...fields, ...more }, required(fields)))
}

/** The note on frames that belong to a capability (section 9). */
function capabilityNote({ needs, also }: Spec<Fields | null>): string {
  const with_ = Object.entries(also ?? {}).map(
    ([name, fields]) => ` With the capability ${name} also ${Object.keys(fields).join(', ')}.`,
  )
  return [needs ? ` Needs the capability ${needs}.` : '', ...with_].join('')
}

function requestFrame(type: RequestType): FrameSpec {
  const spec: Spec<Fields | null> = REQUESTS[type]
  const { fields } = spec
  const data = fields === null ? undefined : eitherOf(variantsOf({ ...spec, fields }, requiredNames))
  return {
    name: `${pascal(type)}Request`,
    type,
    summary: `The request ${type}.${capabilityNote(spec)}`,
    schema: {
      type: 'object',
      properties: { type: { const: type }, ...(data && { data }), message_id: ECHO.schema },
      required: data ? ['type', 'data'] : ['type'],
    },
  }
}

function serverFrame(name: string, type: string, summary: string, members: JsonSchema, hasId: boolean | undefined): FrameSpec {
  const { message_id = { type: 'string', minLength: 1 }, ...rest } = members
  const required = ['type', 'code', 'msg', 'data']
  return {
    name,
    type,
    summary,
    schema: {
      type: 'object',
      properties: { type: { const: type }, ...rest, ...(hasId !== false && { message_id }) },
      required: hasId === true ? [...required, 'message_id'] : required,
      // An ephemeral push has no id, and no response to echo one from.
      ...(hasId === false && { not: { required: ['message_id'] } }),
    },
  }
}

function responseFrame(type: RequestType): FrameSpec {
  const { response }: { response: { type: string; data: Readonly<Record<string, unknown>>; fields?: Fields } } = REQUESTS[type]
  const fields = response.fields ?? {}
  const data = {
    type: 'object',
    properties: { ...constants(response.data), ...(all(fields)['properties'] as JsonSchema) },
    required: [...Object.keys(response.data), ...Object.keys(fields)],
  }
  const members = { code: { const: 200 }, msg: { const: TEXTS.success }, data }
  const summary = `The answer to ${response.type === 'heartbeat' ? 'ping and heartbeat' : `a ${type} that was carried out`}.`
  return serverFrame(`${pascal(response.type)}Response`, response.type, summary, members, undefined)
}

function pushFrame(type: PushType): FrameSpec {
  const spec: Spec<Fields> & { readonly isDurable?: boolean } = PUSHES[type]
  const members = {
    code: { const: 200 },
    msg: { const: TEXTS.success },
    data: eitherOf(variantsOf(spec, Object.keys)),
    message_id: {
      type: 'string',
      pattern: '^[0-9]{1,19}$',
      description: "The event's id: deduplicate by it, and resume after it.",
    },
  }
  return serverFrame(`${pascal(type)}Push`, type, `The push ${type}.${capabilityNote(spec)}`, members, spec.isDurable !== false)
}

const REQUEST_TYPES = Object.keys(REQUESTS) as RequestType[]
const REQUEST_FRAMES = REQUEST_TYPES.map(requestFrame)
/** By name, since ping and heartbeat share a response. */
const RESPONSE_FRAMES = new Map(REQUEST_TYPES.map(responseFrame).map((frame) => [frame.name, frame]))
const PUSH_FRAMES = (Object.keys(PUSHES) as PushType[]).map(pushFrame)
const ESTABLISHED_FRAME = serverFrame(
  'ConnectionEstablished',
  CONNECTION_ESTABLISHED.type,
  'The first frame of a connection.',
  { code: { const: 200 }, msg: { const: TEXTS.connected }, data: all(CONNECTION_ESTABLISHED.fields) },
  false,
)
const ERROR_FRAME = serverFrame(
  'Error',
  ERROR.type,
  'A request that was refused, or a token that has expired. `data` repeats `code` and `msg`.',
  { code: ERROR.fields.code.schema, msg: { type: 'string' }, data: all(ERROR.fields) },
  undefined,
)
const SERVER_FRAMES = [ESTABLISHED_FRAME, ERROR_FRAME, ...RESPONSE_FRAMES.values(), ...PUSH_FRAMES]

const schemasOf = (frames: readonly FrameSpec[]): JsonSchema =>
  Object.fromEntries(frames.map(({ name, schema }) => [name, schema]))

/** All frames as one JSON Schema (draft 7): each by its name, and `Request` and `ServerFrame`, the unions of them. */
export function frameSchemas(): JsonSchema {
  const oneOf = (frames: readonly FrameSpec[]): JsonSchema => ({
    oneOf: frames.map(({ name }) => ({ $ref: `#/definitions/${name}` })),
  })
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Frames of the legacy protocol, /ws/connect',
    definitions: {
      Request: oneOf(REQUEST_FRAMES),
      ServerFrame: oneOf(SERVER_FRAMES),
      ...schemasOf(REQUEST_FRAMES),
      ...schemasOf(SERVER_FRAMES),
    },
  }
}

/** The protocol as an AsyncAPI 3 document, seen from the server: it receives requests and sends the rest. */
// oxlint-disable-next-line max-lines-per-function -- one document, written as it is read
export function asyncApi(): JsonSchema {
  const frames = [...REQUEST_FRAMES, ...SERVER_FRAMES]
  const inChannel = (name: string): JsonSchema => ({ $ref: `#/channels/connect/messages/${name}` })
  const channel = { $ref: '#/channels/connect' }
  const requests = REQUEST_TYPES.map((type) => {
    const { response } = REQUESTS[type]
    const messages = [inChannel(`${pascal(response.type)}Response`), inChannel(ERROR_FRAME.name)]
    return [
      `${type}_request`,
      { action: 'receive', channel, messages: [inChannel(`${pascal(type)}Request`)], reply: { channel, messages } },
    ]
  })
  const pushes = [...PUSH_FRAMES, ESTABLISHED_FRAME, ERROR_FRAME].map(({ name, type, summary }) => {
    return [`${type}_send`, { action: 'send', channel, summary, messages: [inChannel(name)] }]
  })
  const messages = frames.map(({ name, type, summary, schema }) => [
    name,
    {
      name: type,
      title: name,
      summary,
      contentType: 'application/json',
      ...('message_id' in (schema['properties'] as JsonSchema) && {
        correlationId: { $ref: '#/components/correlationIds/messageId' },
      }),
      payload: { $ref: `#/components/schemas/${name}` },
    },
  ])
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Parley, the legacy protocol',
      version: '1.0.0',
      description:
        'JSON text frames over a WebSocket. docs/protocol.md says what each means, the close codes, and how to resume.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: {
      local: {
        host: '127.0.0.1:4000',
        protocol: 'ws',
        security: [{ $ref: '#/components/securitySchemes/bearer' }, { $ref: '#/components/securitySchemes/subprotocol' }],
      },
    },
    channels: {
      connect: {
        address: '/ws/connect',
        servers: [{ $ref: '#/servers/local' }],
        'x-close-codes': closeCodes(),
        messages: Object.fromEntries(frames.map(({ name }) => [name, { $ref: `#/components/messages/${name}` }])),
        bindings: {
          ws: {
            method: 'GET',
            headers: {
              type: 'object',
              properties: {
                Authorization: { type: 'string', description: 'Bearer <jwt>' },
                'Sec-WebSocket-Protocol': {
                  type: 'string',
                  description: 'bearer, <jwt>: for browsers, instead of Authorization; capabilities.<name>.<name> besides',
                },
                Capabilities: { type: 'string', description: 'Names of capabilities, with commas between them' },
                'Last-Event-ID': {
                  type: 'string',
                  pattern: CURSOR.source,
                  description: 'The event to resume after, by its id, or a cursor',
                },
              },
            },
          },
        },
      },
    },
    operations: Object.fromEntries([...requests, ...pushes]) as JsonSchema,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        subprotocol: {
          type: 'httpApiKey',
          name: 'Sec-WebSocket-Protocol',
          in: 'header',
          description: 'The pair of subprotocols bearer, <jwt>; the server answers bearer.',
        },
      },
      correlationIds: {
        messageId: { description: 'An answer repeats the message_id of its request.', location: '$message.payload#/message_id' },
      },
      messages: Object.fromEntries(messages) as JsonSchema,
      schemas: schemasOf(frames),
    },
  }
}
