import { readFileSync } from 'node:fs'
import { Parser } from '@asyncapi/parser'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parse } from 'yaml'
import {
  decodeRequest,
  encodeAuthenticated,
  encodeConnectionEstablished,
  encodeEnabled,
  encodeError,
  encodeResumed,
  encodeSuccess,
} from '../../src/legacy-protocol/codec.ts'
import { ALL_CAPABILITIES } from '../../src/legacy-protocol/capabilities.ts'
import { asyncApi, frameSchemas } from '../../src/legacy-protocol/contract.ts'
import { encodeEvent, type PUSH_OF, type FeedEvent } from '../../src/legacy-protocol/events.ts'
import { FORMATS, PUSHES, REQUESTS } from '../../src/legacy-protocol/frames.ts'

interface Golden {
  name: string
  direction: 'client' | 'server'
  frame: { type: string; data?: Record<string, unknown> }
}

const docs = (path: string): string => readFileSync(new URL(`../../docs/${path}`, import.meta.url), 'utf8')
const goldenOf = (file: string): Golden[] =>
  (JSON.parse(readFileSync(new URL(`../golden/${file}`, import.meta.url), 'utf8')) as { frames: Golden[] }).frames
const isPush = ({ name }: Golden): boolean => / push(?:,|$)/.test(name)
const golden = [
  ...goldenOf('frames.json'),
  ...goldenOf('capabilities.json').filter((frame) => !isPush(frame) || frame.frame.type in PUSHES),
]

/** A validator of the published schemas; without `formats` as for those who know none of ours. */
function validator(formats: boolean): Ajv {
  const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: false })
  ajv.addFormat('date-time', true)
  ajv.addFormat(FORMATS.url, formats ? (text: string) => URL.canParse(text) : true)
  ajv.addFormat(FORMATS.reaction, formats ? (text: string) => new TextEncoder().encode(text).length <= 64 : true)
  return ajv.addSchema(JSON.parse(docs('schemas/legacy-frames.json')) as object, 'frames')
}
const ajv = validator(true)
const lenient = validator(false)
const isA = (definition: string, frame: unknown, by = ajv): boolean => by.validate(`frames#/definitions/${definition}`, frame)

/** The definitions of the server's frames that a frame is an instance of. */
const kindsOf = (frame: unknown): string[] =>
  (frameSchemas() as { definitions: { ServerFrame: { oneOf: { $ref: string }[] } } }).definitions.ServerFrame.oneOf
    .map(({ $ref }) => $ref.replace('#/definitions/', ''))
    .filter((name) => isA(name, frame))

/** Whether the codec takes the text; fails where the schemas do not agree. */
function agreed(text: string): boolean {
  const { ok } = decodeRequest(text, ALL_CAPABILITIES)
  const frame: unknown = JSON.parse(text)
  expect({ text, ok: isA('Request', frame) }).toEqual({ text, ok })
  if (ok) expect({ text, ok: isA('Request', frame, lenient) }).toEqual({ text, ok })
  return ok
}

describe('the published contract', () => {
  it('is what the tables of frames say', () => {
    expect(JSON.parse(docs('schemas/legacy-frames.json')), 'run npm run contract').toEqual(frameSchemas())
    expect(parse(docs('asyncapi.yaml')), 'run npm run contract').toEqual(asyncApi())
  })

  it('is a valid AsyncAPI document that names every frame', async () => {
    const { document, diagnostics } = await new Parser().parse(docs('asyncapi.yaml'))
    expect(diagnostics.filter(({ severity }) => severity === 0)).toEqual([])
    const operations = document!.operations()
    expect(operations.filterByReceive().map((each) => each.id())).toEqual(Object.keys(REQUESTS).map((type) => `${type}_request`))
    for (const operation of operations.filterByReceive()) expect(operation.reply()?.messages()).toHaveLength(2)
    expect(operations.filterBySend().map((each) => each.id())).toEqual(
      [...Object.keys(PUSHES), 'connection_established', 'error'].map((type) => `${type}_send`),
    )
  })
})

describe('golden frames are instances of exactly one schema', () => {
  test.each(golden.filter(({ direction }) => direction === 'client'))('$name', ({ frame }) => {
    expect(agreed(JSON.stringify(frame))).toBe(true)
  })

  test.each(golden.filter(({ direction }) => direction === 'server'))('$name', (one) => {
    const { message_id: _id, ...frame } = one.frame as Golden['frame'] & { message_id?: string }
    const isDurable = isPush(one) && !('isDurable' in PUSHES[frame.type as keyof typeof PUSHES])
    const kinds = kindsOf(isDurable ? { ...frame, message_id: '1041' } : frame)
    expect(kinds).toHaveLength(1)
    if (isDurable) expect(kindsOf(frame)).toEqual([])
    // What a capability adds is not there without it.
    const added = new Set(isPush(one) ? ['reply_to_id', 'mention_ids'] : [])
    for (const member of Object.keys(frame.data ?? {}).filter((name) => !added.has(name))) {
      const { [member]: _, ...rest } = frame.data as Record<string, unknown>
      expect(isA(kinds[0] as string, { ...frame, message_id: isDurable ? '1041' : undefined, data: rest }), member).toBe(false)
    }
  })
})

const anyText = fc.string({ unit: 'binary', maxLength: 80 })
const edgeText = fc.constantFrom(
  ...[
    '',
    'a',
    'a\0',
    '\ud83d',
    '\udc4d\ud83d',
    '👍',
    ' ',
    'a b',
    '\u007f',
    '\u0085',
    '\ufeff',
    '\u2028',
    'text',
    'Text',
    '9',
    '0',
  ],
  ...['x'.repeat(64), 'x'.repeat(65), '👍'.repeat(64), '👍'.repeat(65), 'x'.repeat(128), 'x'.repeat(129), '👍'.repeat(128)],
  ...[
    'x'.repeat(31),
    'x'.repeat(32),
    'x'.repeat(33),
    '字'.repeat(10),
    '字'.repeat(11),
    '👍'.repeat(8),
    '👍'.repeat(9),
    'é'.repeat(17),
  ],
  ...['x'.repeat(5000), 'x'.repeat(5001), '👍'.repeat(5000), '👍'.repeat(5001), '9'.repeat(19), '9'.repeat(20), '１', '1\n'],
  ...[
    'http://a/b',
    'HTTPS://a/b',
    'http:a',
    'http://',
    'http://a:99999',
    'http://[::1',
    'http://1.2.3.4.5',
    'http://a/ü{',
    'ftp://a',
  ],
  ...[
    'http\u017f://a',
    'http://a b',
    'http://a/\u0085',
    'http://%zz',
    'http://a/'.padEnd(2048, 'b'),
    'http://a/'.padEnd(2049, 'b'),
  ],
  ...['x'.repeat(8192), 'x'.repeat(8193), '👍'.repeat(8192), '👍'.repeat(8193), 'http://xn--a', 'http://a\\b', 'http://a/\ud83d'],
)
const edgeNumber = fc.constantFrom(0, -0, 1, -1, 1.5, 1e2, 2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1, 2 ** 53, 1e300)
const anyValue = fc.oneof(
  edgeText,
  anyText,
  edgeNumber,
  fc.constantFrom(null, true, false, [], {}),
  fc.jsonValue({ maxDepth: 2 }),
)

const frames = [
  ...golden.filter(({ direction }) => direction === 'client').map(({ frame }) => frame),
  { type: 'message_sent', data: { receiver_id: 2, content: 'hi' } },
  { type: 'message_sent', data: { receiver_id: 2, content: '', media_url: 'http://a/b' } },
  { type: 'message_sent', data: { conversation_id: 'group_7', content: 'hi', is_group: true }, message_id: 'k' },
  { type: 'message_sent', data: { conversation_id: 'group_7', content: '', media_url: 'http://a', is_group: true } },
  { type: 'resume', data: { last_message_id: '1041' } },
  { type: 'auth', data: { token: 'a.b.c' } },
  { type: 'capabilities', data: { enable: [] } },
  { type: 'message_sent', data: { receiver_id: 2, content: 'hi', reply_to_id: null, mention_ids: null } },
  { type: 'message_edited', data: { message_id: 42, content: '', is_group: true, mention_ids: [1, 2] } },
  { type: 'heartbeat', data: null },
]
const MEMBERS = [
  ...['is_group', 'conversation_id', 'receiver_id', 'content', 'message_type', 'media_url', 'session_id', 'typing'],
  ...[
    'message_id',
    'reaction',
    'last_message_id',
    'token',
    'enable',
    'reply_to_id',
    'mention_ids',
    '__proto__',
    'constructor',
    'toString',
  ],
]
const change = fc.record({
  where: fc.constantFrom('frame', 'data', 'data', 'data'),
  member: fc.constantFrom(...MEMBERS),
  value: fc.oneof({ weight: 4, arbitrary: anyValue }, { weight: 1, arbitrary: fc.constant(undefined) }),
})
const mutated = fc.tuple(fc.constantFrom(...frames), fc.array(change, { maxLength: 3 })).map(([frame, changes]) => {
  const copy = structuredClone(frame) as Record<string, unknown>
  for (const { where, member, value } of changes) {
    const target = where === 'data' ? copy['data'] : copy
    if (typeof target === 'object' && target !== null) {
      Object.defineProperty(target, member, { value, enumerable: true, writable: true, configurable: true })
    }
  }
  return JSON.stringify(copy)
})

describe('codec and schemas accept and refuse the same', () => {
  it('of mutated frames', () => {
    let accepted = 0
    fc.assert(
      fc.property(mutated, (text) => void (agreed(text) && accepted++)),
      { numRuns: 5000 },
    )
    // Else the mutations would test one side only.
    expect(accepted).toBeGreaterThan(500)
  })

  it('of every member with every edge', () => {
    const edges = fc.sample(fc.oneof(edgeText, edgeNumber), { numRuns: 400, seed: 1 })
    for (const frame of frames) {
      const data = frame.data as Record<string, unknown> | null | undefined
      for (const value of new Set([...edges, null, true, false, [], {}, undefined])) {
        agreed(JSON.stringify({ ...frame, message_id: value }))
        for (const member of Object.keys(data ?? {})) agreed(JSON.stringify({ ...frame, data: { ...data, [member]: value } }))
      }
    }
  })

  it('of arbitrary frames', () => {
    const data = fc.dictionary(fc.constantFrom(...MEMBERS), anyValue)
    const type = fc.oneof(fc.constantFrom(...Object.keys(REQUESTS)), anyValue)
    const frame = fc.record({ type, data: fc.oneof(data, anyValue), message_id: anyValue }, { requiredKeys: [] })
    fc.assert(
      fc.property(fc.oneof(frame, anyValue), (value) => void agreed(JSON.stringify(value))),
      { numRuns: 2000 },
    )
  })
})

const id = fc.integer({ min: 1, max: 2 ** 31 - 1 }).map(String)
const text = fc.string({ unit: 'binary', maxLength: 20 })
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })
const time = fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
const iso = time.map((date) => date.toISOString())
const person = fc.record({ id, name: text, avatar: orNull(text) })
const kept = { id: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map(String), timestamp: iso }
const live = { id: fc.constant(null), timestamp: iso }
const count = fc.nat(1000)
const reaction = {
  ...kept,
  messageId: id,
  isGroup: fc.boolean(),
  userId: id,
  reaction: text,
  reactionCount: count,
  messageDeleted: fc.constant(false),
}
const groupOf = fc.record({
  ...{ id, name: text, avatar: orNull(text), memberCount: count },
  ...{ joinApprovalRequired: fc.boolean(), allowInvitation: fc.boolean(), allowSendMessages: fc.boolean() },
})
const conversation = fc.oneof(
  fc.record({ id: text, isGroup: fc.constant(true), group: orNull(fc.record({ id })) }),
  fc.record({ id: text, isGroup: fc.constant(false), group: fc.constant(null) }),
)
const message = fc.record({
  ...{ id, conversation, sender: person, content: text, messageType: text, mediaUrl: orNull(text), timestamp: iso },
  ...{ deletedAt: fc.constant(null), editedAt: orNull(iso), replyToId: orNull(id), mentions: fc.array(fc.record({ id })) },
})
/** An event for each push: a new one without a row does not compile. */
const fields: Record<keyof typeof PUSH_OF, Record<string, fc.Arbitrary<unknown>>> = {
  MessageSent: { ...kept, message },
  MessageEdited: { ...kept, message },
  MessageDeleted: { ...kept, messageId: id, conversationId: text, isGroup: fc.boolean(), deletedById: id },
  ConversationRead: { ...kept, conversationId: text, readUpTo: orNull(id), unreadCount: count },
  UserUpdated: { ...kept, user: person },
  MessageRead: { ...kept, messageId: id, isGroup: fc.boolean(), readerId: id },
  ReactionAdded: { ...reaction, reactionUserIds: fc.array(id) },
  ReactionRemoved: { ...reaction, reactionUserIds: fc.array(id) },
  TypingChanged: { ...live, conversationId: text, user: person, typing: fc.boolean() },
  OnlineStatusChanged: { ...live, userId: id, online: fc.boolean(), lastActive: iso },
  GroupUpdated: { ...kept, announcement: orNull(text), group: groupOf },
  MemberJoined: { ...kept, groupId: id, user: person, memberCount: count },
  MemberLeft: { ...kept, groupId: id, user: person, memberCount: count },
  NotificationReceived: {
    ...kept,
    notification: fc.record({ notificationType: text, data: fc.dictionary(text, fc.jsonValue()) }),
  },
}
const event = fc.oneof(
  ...Object.entries(fields).map(([type, members]) => fc.record({ __typename: fc.constant(type), ...members })),
)

describe('what the server writes is an instance of exactly one schema', () => {
  it('pushes', () => {
    fc.assert(
      fc.property(event, (each) => {
        const frame: unknown = JSON.parse(encodeEvent(each as unknown as FeedEvent, ALL_CAPABILITIES) as string)
        expect(kindsOf(frame), JSON.stringify(frame)).toEqual([expect.stringMatching(/Push$/)])
      }),
      { numRuns: 500 },
    )
  })

  it('answers', () => {
    const echo = fc.option(fc.string({ unit: 'binary', minLength: 1, maxLength: 64 }), { nil: undefined })
    fc.assert(
      fc.property(echo, time, fc.integer({ min: 400, max: 599 }), text, (key, date, code, words) => {
        const types = Object.keys(REQUESTS).filter((type) => !['resume', 'auth', 'capabilities'].includes(type))
        const texts = [
          ...types.map((type) => encodeSuccess(type as 'typing', key)),
          encodeResumed({ replayed: code, complete: words === '' }, key),
          encodeAuthenticated(date, key),
          encodeEnabled(code % (ALL_CAPABILITIES + 1), key),
          encodeError({ code, msg: words, error: words }, key),
          encodeConnectionEstablished({ userId: code, connectionId: words, serverTime: date }),
        ]
        for (const each of texts) expect(kindsOf(JSON.parse(each)), each).toHaveLength(1)
      }),
    )
  })
})
