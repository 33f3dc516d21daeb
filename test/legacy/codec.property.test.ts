import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DecodedRequest, decodeRequest, encodeError } from '../../src/legacy-protocol/codec.ts'
import { ALL_CAPABILITIES } from '../../src/legacy-protocol/capabilities.ts'
import { REQUESTS, TEXTS } from '../../src/legacy-protocol/frames.ts'

const types = Object.keys(REQUESTS)
const failures = new Set<string>([
  ...Object.values(REQUESTS).map((spec) => spec.failure),
  TEXTS.invalidJson,
  TEXTS.missingFields,
  TEXTS.unknownType,
])

/** Decodes, and throws an assertion error where the result is neither a request nor a proper refusal. */
function expectDecodable(text: string): DecodedRequest {
  const result = decodeRequest(text, ALL_CAPABILITIES)
  if (result.ok) {
    assert.ok(types.includes(result.request.type))
    return result
  }
  assert.equal(result.code, 400)
  assert.ok(failures.has(result.msg), result.msg)
  assert.match(result.error, /, expected /)
  assert.doesNotMatch(result.error, /[\p{Cc}\p{Surrogate}]/u)
  assert.ok(result.error.length < 250)
  assert.equal((JSON.parse(encodeError(result, result.echo)) as { msg: string }).msg, result.msg)
  return result
}

const anyText = fc.string({ unit: 'binary', maxLength: 200 })
const anyValue = fc.oneof(fc.jsonValue(), anyText, fc.integer(), fc.double(), fc.constantFrom(null, true, false, '', 0, 1))
const members = ['message_id', 'conversation_id', 'session_id', 'receiver_id', 'content', 'message_type', 'media_url', 'is_group']
const memberName = fc.constantFrom(
  ...members,
  'reaction',
  'typing',
  'last_message_id',
  'enable',
  'reply_to_id',
  'mention_ids',
  '__proto__',
  'constructor',
)
const anyData = fc.array(fc.tuple(memberName, anyValue)).map((entries) => Object.fromEntries(entries))

describe('whatever comes', () => {
  it('any text gives a request or a 400', () => {
    expect(() => fc.assert(fc.property(anyText, (text) => void expectDecodable(text)))).not.toThrow()
  })

  it('any JSON gives a request or a 400', () => {
    expect(() => fc.assert(fc.property(fc.json(), (text) => void expectDecodable(text)))).not.toThrow()
  })

  it('a known type with any members gives a request or its own failure', () => {
    const frame = fc.record(
      { type: fc.constantFrom(...types), data: fc.oneof(anyData, anyValue), message_id: anyValue },
      { requiredKeys: ['type'] },
    )
    fc.assert(
      fc.property(frame, (value) => {
        const result = expectDecodable(JSON.stringify(value))
        const ownFailure = REQUESTS[value.type as keyof typeof REQUESTS].failure
        expect(result.ok ? result.request.type : result.msg).toBe(result.ok ? value.type : ownFailure)
      }),
      { numRuns: 1000 },
    )
  })

  it('a cut or doubled frame disturbs nothing', () => {
    const text = '{"type":"message_sent","data":{"receiver_id":2,"content":"\\ud83d\\udc4d"},"message_id":"k"}'
    const position = fc.nat(text.length)
    const cut = fc.property(position, position, (from, to) => void expectDecodable(text.slice(0, from) + text.slice(to)))
    expect(() => fc.assert(cut)).not.toThrow()
  })
})

const clean = (minLength: number, maxLength: number) =>
  fc.string({ unit: 'binary', minLength, maxLength }).filter((text) => !text.includes('\0'))
const userId = fc.integer({ min: 1, max: 2_147_483_647 })
const messageId = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const sessionId = clean(1, 128)
const absentOr = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const optional = <T>(value: fc.Arbitrary<T>) => fc.oneof(fc.constantFrom(undefined, null), value)
const body = {
  content: clean(1, 300),
  message_type: optional(fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/)),
  media_url: optional(fc.webUrl({ withQueryParameters: true })),
}
const reaction = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
  .filter((text) => Buffer.byteLength(text) <= 32 && !/[\s\p{Cc}]/u.test(text))
const reactionChange = fc.record({ message_id: messageId, reaction, is_group: optional(fc.boolean()) })

const dataOf = {
  typing: fc.record({ session_id: sessionId, typing: fc.boolean() }),
  message_read: fc.record({ message_id: messageId, is_group: optional(fc.boolean()) }),
  reaction_added: reactionChange,
  reaction_removed: reactionChange,
  resume: fc.record({ last_message_id: fc.stringMatching(/^[0-9]{1,19}$/) }),
}
const echo = absentOr(clean(1, 64))

describe('well-formed requests decode to what was meant', () => {
  it.each(Object.entries(dataOf))('%s', (type, data: fc.Arbitrary<Record<string, unknown>>) => {
    fc.assert(
      fc.property(data, echo, (sent, message_id) => {
        const meant: Record<string, unknown> = { type, echo: message_id }
        if ('session_id' in sent) Object.assign(meant, { sessionId: sent['session_id'], typing: sent['typing'] })
        if ('message_id' in sent) Object.assign(meant, { messageId: sent['message_id'], isGroup: sent['is_group'] ?? false })
        if ('reaction' in sent) meant['reaction'] = sent['reaction']
        if ('last_message_id' in sent) meant['lastMessageId'] = sent['last_message_id']
        expect(decodeRequest(JSON.stringify({ type, data: sent, message_id }))).toStrictEqual({ ok: true, request: meant })
      }),
    )
  })

  it('message_sent to a user', () => {
    const data = fc.record({
      ...body,
      receiver_id: userId,
      conversation_id: fc.oneof(optional(sessionId), fc.constant('')),
      is_group: fc.constantFrom(false, null, undefined),
    })
    fc.assert(
      fc.property(data, echo, (sent, message_id) => {
        expect(decodeRequest(JSON.stringify({ type: 'message_sent', data: sent, message_id }))).toStrictEqual({
          ok: true,
          request: {
            type: 'message_sent',
            echo: message_id,
            isGroup: false,
            conversationId: sent.conversation_id || null,
            receiverId: sent.receiver_id,
            content: sent.content,
            messageType: sent.message_type ?? 'text',
            mediaUrl: sent.media_url ?? null,
          },
        })
      }),
    )
  })

  it('message_sent to a group', () => {
    const data = fc.record({ ...body, receiver_id: anyValue, conversation_id: sessionId, is_group: fc.constant(true) })
    fc.assert(
      fc.property(data, echo, (sent, message_id) => {
        expect(decodeRequest(JSON.stringify({ type: 'message_sent', data: sent, message_id }))).toStrictEqual({
          ok: true,
          request: {
            type: 'message_sent',
            echo: message_id,
            isGroup: true,
            conversationId: sent.conversation_id,
            content: sent.content,
            messageType: sent.message_type ?? 'text',
            mediaUrl: sent.media_url ?? null,
          },
        })
      }),
    )
  })
})
