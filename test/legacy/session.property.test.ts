import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { REQUESTS, TEXTS } from '../../src/legacy-protocol/frames.ts'
import { sharedApp, type TestApp, type TestUser } from '../support/app.ts'
import type { Frame, LegacyClient } from '../support/legacy-client.ts'

/** What no answer may show of the server's inside. */
const INTERNALS =
  /prisma|postgres|pglite|sqlstate|\bselect\b|\binsert\b|node_modules|\.ts:\d|\.js:\d|at \w+ \(|undefined|\[object|TypeError|stack/i
/** docs/protocol.md, section 5. */
const CODES = new Set([200, 400, 401, 403, 404, 409, 413, 429, 503])
const TEXTS_OF_ERRORS = new Set<string>([
  ...Object.values(REQUESTS).map(({ failure }) => failure),
  TEXTS.invalidJson,
  TEXTS.missingFields,
  TEXTS.unknownType,
  TEXTS.tooManyRequests,
])

interface Golden {
  direction: string
  frame: { type: string; data?: Record<string, unknown> }
}
const golden = (
  JSON.parse(readFileSync(new URL('../golden/frames.json', import.meta.url), 'utf8')) as { frames: Golden[] }
).frames
  .filter(({ direction }) => direction === 'client')
  .map(({ frame }) => frame)

let app: TestApp
let ann: TestUser
let client: LegacyClient
beforeAll(async () => {
  app = await sharedApp()
  ;[ann] = [await app.user(), await app.user()]
  client = await app.ready(ann)
})
afterAll(() => app.stop())

const anyValue = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.integer(),
  fc.double(),
  fc.constantFrom('', 0, -1, 2 ** 53, '1', 'direct_1_2', 'group_1', '__proto__', null, true, [], {}),
)
const types = [...Object.keys(REQUESTS), 'notification', 'connection_established', 'nothing']
const members = [
  'conversation_id',
  'session_id',
  'receiver_id',
  'content',
  'media_url',
  'is_group',
  'message_id',
  'reaction',
  'typing',
  'token',
]
const made = fc.record({
  type: fc.constantFrom(...types),
  data: fc.oneof(anyValue, fc.dictionary(fc.constantFrom(...members, 'last_message_id', 'constructor'), anyValue)),
})
/** A frame as clients send it, with some of its members changed, taken away or put in. */
const mutated = fc
  .tuple(
    fc.constantFrom(...golden),
    fc.dictionary(fc.constantFrom(...members), fc.option(anyValue, { nil: undefined }), { maxKeys: 3 }),
  )
  .map(([frame, changes]) => ({ ...frame, data: { ...frame.data, ...changes } }))

function expectProper({ type, code, msg, data, message_id }: Frame, sent: unknown): void {
  const told = JSON.stringify({ sent, answer: { type, code, msg, data } })
  expect(CODES.has(code), told).toBe(true)
  expect(typeof message_id, told).toBe('string')
  if (type !== 'error') return expect(code, told).toBe(200)
  expect(TEXTS_OF_ERRORS.has(msg), told).toBe(true)
  expect(data, told).toEqual({ code, message: msg, details: { error: expect.any(String) as string } })
  const reason = String(data.details.error)
  // A reason may quote the beginning of the received value, which may be anything.
  expect(reason.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').replaceAll(/the \w+ undefined/g, ''), told).not.toMatch(INTERNALS)
}

test('whatever frames come, each gets exactly one proper answer in its order, and the session goes on', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(made, mutated), { minLength: 1, maxLength: 12 }), async (frames) => {
      const ids: string[] = frames.map(() => randomUUID())
      frames.forEach((frame, index) => client.send({ ...frame, message_id: ids[index] }))
      const last = randomUUID()
      // Waits for everything before it, unlike a ping.
      client.send({ type: 'typing', data: {}, message_id: last })
      const answers: Frame[] = []
      for (let frame = await client.inbox.next(); frame.message_id !== last; frame = await client.inbox.next()) {
        if (ids.includes(frame.message_id as string)) answers.push(frame)
      }
      expect(answers.map(({ message_id }) => message_id)).toEqual(expect.arrayContaining(ids))
      const isPing = (id: string | undefined): boolean =>
        ['ping', 'heartbeat'].includes(frames[ids.indexOf(id as string)]?.type as string)
      const inOrder = (list: readonly (string | undefined)[]) => list.filter((id) => !isPing(id))
      expect(inOrder(answers.map(({ message_id }) => message_id))).toEqual(inOrder(ids))
      for (const answer of answers) expectProper(answer, frames[ids.indexOf(answer.message_id as string)])
    }),
    { numRuns: 300 },
  )
  expect((await client.request('ping')).code).toBe(200)
  expect(app.logged.filter(({ level }) => Number(level) >= 50)).toEqual([])
})

test('whatever text comes, the socket stays open and says 400', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constantFrom('', '{', '[]', 'null', '{"type":{}}')),
      async (text) => {
        const other = await client.request('ping')
        expect(other.code).toBe(200)
        client.send(text)
        const answer = await client.inbox.next(
          ({ message_id, type }) => message_id === undefined && (type === 'error' || type === 'heartbeat'),
        )
        expect([200, 400]).toContain(answer.code)
      },
    ),
    { numRuns: 150 },
  )
})
