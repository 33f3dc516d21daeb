import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, type TestApp } from '../support/app.ts'
import { goldenFrames, skeleton, type Golden } from '../support/golden.ts'
import type { Frame, LegacyClient } from '../support/legacy-client.ts'
import { createGroup, direct, people } from '../support/people.ts'

const GOLDEN = goldenFrames('capabilities.json')
/** What belongs to no capability; its own test holds it to its frame. */
const ELSEWHERE = /^banned /
const HERE = GOLDEN.filter(({ direction, name }) => direction === 'server' && !ELSEWHERE.test(name))
const isPush = (name: string): boolean => / push(?:,|$)/.test(name)

let app: TestApp
/** The texts of the received frames, by the names of the golden ones. */
const came = new Map<string, string>()

async function keep(name: string, from: LegacyClient, matches: (frame: Frame) => boolean): Promise<Frame> {
  const frame = await from.inbox.next(matches)
  came.set(name, from.texts.find((one) => JSON.stringify(JSON.parse(one)) === JSON.stringify(frame)) as string)
  return frame
}

/** Sends the golden request with real ids. */
function ask(from: LegacyClient, name: string, data: Record<string, unknown>): void {
  const { frame } = GOLDEN.find((one) => one.name === name) as Golden
  from.send({ ...frame, data: { ...(frame['data'] as object), ...data } })
}

const pushed = (type: string) => (frame: Frame) => frame.type === type && frame.data.success === undefined
const answered = (type: string) => (frame: Frame) => frame.type === type && frame.data.success === true
const isError = ({ type }: Frame): boolean => type === 'error'

beforeAll(async () => {
  app = await sharedApp()
  const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
  const group = await createGroup(app, ann, [bob, cat])
  const [a, b, edits] = [await app.ready(ann), await app.ready(bob), await app.ready(bob)]
  ask(a, 'capabilities request', {})
  await keep('capabilities answer', a, answered('capabilities'))
  a.send({ type: 'capabilities', data: {} })
  await keep('capabilities error', a, isError)
  await b.request('capabilities', { enable: ['edits', 'replies'] })
  await edits.request('capabilities', { enable: ['edits'] })

  a.send({ type: 'message_sent', data: { receiver_id: bob.id, content: 'hallo' } })
  const { data: message } = await keep('message_sent push, direct, replies', b, pushed('message_sent'))
  await a.inbox.next(answered('message_sent'))
  ask(a, 'message_edited request', { message_id: message.id })
  await keep('message_edited answer', a, answered('message_edited'))
  await keep('message_edited push, direct, edits', edits, pushed('message_edited'))
  ask(b, 'message_edited request', { message_id: message.id })
  await keep('message_edited error', b, isError)

  const session_id = direct(ann, bob)
  await b.request('capabilities', { enable: ['reads', 'replies', 'edits'] })
  ask(b, 'conversation_read request', { session_id, message_id: message.id })
  await keep('conversation_read answer', b, answered('conversation_read'))
  await keep('conversation_read push', b, pushed('conversation_read'))
  ask(b, 'conversation_read request', { session_id, message_id: 999_999_999 })
  await keep('conversation_read error', b, isError)

  ask(a, 'message_deleted request', { message_id: message.id })
  await keep('message_deleted answer', a, answered('message_deleted'))
  await keep('message_deleted push', b, pushed('message_deleted'))
  ask(a, 'message_deleted request', { message_id: 999_999_999 })
  await keep('message_deleted error', a, isError)

  await app.admin.data(`mutation { upsertUser(id: ${bob.id}, name: "Bob B.", avatar: "https://example.org/b.png") { id } }`)
  await keep('user_updated push', a, pushed('user_updated'))

  await b.settle()
  a.send({ type: 'message_sent', data: { conversation_id: group.conversation, content: 'a question', is_group: true } })
  const { data: question } = await b.inbox.next(pushed('message_sent'))
  const mention_ids = [cat.id, bob.id]
  ask(a, 'message_sent request, replies', { conversation_id: group.conversation, reply_to_id: question.id, mention_ids })
  const { data: answer } = await b.inbox.next(pushed('message_sent'))
  ask(a, 'message_edited request', { message_id: answer.id, is_group: true })
  await keep('message_edited push, group, edits and replies', b, pushed('message_edited'))
})
afterAll(() => app.stop())

describe('the golden frame of a capability comes out of a real socket:', () => {
  test.each(HERE)('$name', ({ name, frame }) => {
    const text = came.get(name)
    if (text === undefined) throw new Error('it did not come')
    const { message_id } = JSON.parse(text) as { message_id?: string }
    if (isPush(name)) expect(message_id).toMatch(/^[1-9]\d*$/)
    const golden = JSON.stringify(isPush(name) ? { ...frame, message_id } : frame)
    const hollow = (one: string): string => skeleton(one, true).replace(/"(reply_to_id)":(?:0|null)/, '"$1":0')
    expect(hollow(text)).toBe(hollow(golden))
  })
})
