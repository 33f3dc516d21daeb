import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, type TestApp, type TestUser } from '../support/app.ts'
import { goldenFrames, skeleton, type Golden } from '../support/golden.ts'
import { connectLegacy, type Frame, type LegacyClient, type RefusedError } from '../support/legacy-client.ts'
import { direct, people, run } from '../support/people.ts'

const GOLDEN = goldenFrames('frames.json')
const SERVER = GOLDEN.filter(({ direction }) => direction === 'server').map(({ name, frame }) => ({ name, frame }))
const DURABLE_PUSH = /^(?!typing|online_status).* push$/

let app: TestApp
let ann: TestUser
let bob: TestUser
let a: LegacyClient
let b: LegacyClient
/** The texts of the received frames, by the names of the golden ones. */
const came = new Map<string, string>()

/** Takes the frame of this type out of the inbox, with its text as received. */
async function keep(name: string, from: LegacyClient, matches: (frame: Frame) => boolean): Promise<Frame> {
  const frame = await from.inbox.next(matches)
  const text = from.texts.find((one) => JSON.stringify(JSON.parse(one)) === JSON.stringify(frame)) as string
  came.set(name, text)
  return frame
}

/** Sends the golden request with real ids. */
function ask(from: LegacyClient, name: string, ids: Record<string, unknown>): void {
  const golden = GOLDEN.find((one) => one.name === name && one.direction === 'client') as Golden
  from.send(JSON.stringify(golden.frame, (key, value: unknown) => ids[key] ?? value))
}

const isPush = (type: string) => (frame: Frame) => frame.type === type && frame.data.success === undefined
const isAnswer = (type: string) => (frame: Frame) => frame.type === type && frame.data.success === true

/** Everything documented, done once by two clients that send no message_id. */
beforeAll(async () => {
  app = await sharedApp()
  ;({ ann, bob } = await people(app, 'ann', 'bob'))
  const setAvatar =
    'mutation ($id: ID!, $name: String!) { upsertUser(id: $id, name: $name, avatar: "https://a.test/u.png") { id } }'
  for (const { id, name } of [ann, bob]) await app.admin.data(setAvatar, { id, name })

  a = await app.legacy(ann)
  await keep('connection_established', a, ({ type }) => type === 'connection_established')
  b = await app.ready(bob)

  const session = direct(ann, bob)
  ask(a, 'message_sent request', { conversation_id: session, receiver_id: bob.id })
  await keep('message_sent success', a, isAnswer('message_sent'))
  const { data } = await keep('message_sent push', b, isPush('message_sent'))
  const message = { message_id: data.id }
  ask(b, 'typing request', { session_id: session })
  await keep('typing success', b, isAnswer('typing'))
  await keep('typing push', a, isPush('typing'))
  ask(b, 'message_read request', message)
  await keep('message_read success', b, isAnswer('message_read'))
  await keep('message_read push', a, isPush('message_read'))
  b.send({ type: 'reaction_removed', data: { ...message, reaction: '👍' } })
  await b.inbox.next(isAnswer('reaction_removed'))
  b.send({ type: 'reaction_added', data: { ...message, reaction: '👍' } })
  await b.inbox.next(isAnswer('reaction_added'))
  await Promise.all([a, b].map((client) => client.inbox.next(isPush('reaction_added'))))
  ask(a, 'reaction_added request', message)
  await keep('reaction_added success', a, isAnswer('reaction_added'))
  await keep('reaction_added push', b, isPush('reaction_added'))
  ask(a, 'reaction_removed request', message)
  await keep('reaction_removed success', a, isAnswer('reaction_removed'))
  await keep('reaction_removed push', b, isPush('reaction_removed'))
  ask(a, 'ping request', {})
  await keep('heartbeat', a, ({ type }) => type === 'heartbeat')

  const nothing = { conversation_id: 'direct_1_2', receiver_id: 2_000_000_000, session_id: 'direct_1_2', message_id: 999_999_999 }
  for (const type of ['message_sent', 'message_read', 'reaction_added', 'reaction_removed']) {
    ask(a, `${type} request`, nothing)
    await keep(`${type} failure`, a, (frame) => frame.type === 'error')
  }
  a.send('{')
  await keep('error 400', a, ({ type }) => type === 'error')
  const refused: unknown = await connectLegacy(app.legacyUrl, { headers: { authorization: 'Bearer nonsense' } }).catch((e) => e)
  came.set('error 401', (refused as RefusedError).body)

  const info = 'name: "G", avatar: "https://a.test/g.png", announcement: "news"'
  const { id } = await run(app, ann, `createGroup(input: { ${info} }) { id }`)
  await keep('group_updated push', a, isPush('group_updated'))
  await run(app, ann, `inviteToGroup(groupId: ${id}, userIds: [${bob.id}]) { id }`)
  await keep('user_joined_group push', b, isPush('user_joined_group'))
  await run(app, bob, `leaveGroup(groupId: ${id})`)
  await keep('user_left_group push', b, isPush('user_left_group'))
  await app.admin.data('mutation ($to: [ID!]!) { pushSystemNotification(notificationType: "n", data: {}, userIds: $to) }', {
    to: [ann.id],
  })
  await keep('notification push', a, isPush('notification'))
  const another = await app.ready(bob)
  await b.close()
  await another.close()
  await keep('online_status push', a, ({ type, data }) => type === 'online_status' && !data.online)
})
afterAll(() => app.stop())

describe('the golden frame comes out of a real socket:', () => {
  test.each(SERVER)('$name', ({ name, frame }) => {
    const text = came.get(name)
    if (text === undefined) throw new Error('it did not come')
    // Which of the codes a failure has depends on its reason.
    const fixesCode = !name.endsWith('failure')
    const message_id = (JSON.parse(text) as { message_id?: string }).message_id
    if (DURABLE_PUSH.test(name)) expect(message_id).toMatch(/^[1-9]\d*$/)
    const golden = JSON.stringify(DURABLE_PUSH.test(name) ? { ...frame, message_id } : frame)
    expect(skeleton(text, fixesCode)).toBe(skeleton(golden, fixesCode))
    if (name.endsWith('failure')) {
      const { code, data } = JSON.parse(text) as { code: number; data: { code: number } }
      expect([code, data.code]).toEqual([404, 404])
    }
  })
})

test('what cannot be known is null, never left out', async () => {
  const { cat, dan } = await people(app, 'cat', 'dan')
  const client = await app.ready(cat)
  await client.request('message_sent', { receiver_id: dan.id, content: 'hi' })
  await run(app, cat, `createGroup(input: { name: "G", memberIds: [${dan.id}] }) { id }`)
  const frames = await client.settle()
  expect(frames.map(({ data }) => data)).toMatchObject([
    { sender_avatar: null, media_url: null },
    { data: { avatar: null, announcement: null } },
  ])
})

test('a direct message has no group_id, a group’s has it last', async () => {
  const { cat, dan } = await people(app, 'cat', 'dan')
  const client = await app.ready(cat)
  const { id } = await run(app, cat, `createGroup(input: { name: "G", memberIds: [${dan.id}] }) { id }`)
  await client.settle()
  await client.request('message_sent', { receiver_id: dan.id, content: 'hi' })
  await client.request('message_sent', { conversation_id: `group_${id}`, content: 'hi', is_group: true })
  const [toUser, toGroup] = await client.settle()
  const keys = Object.keys(toUser?.data)
  expect(keys.at(-1)).toBe('timestamp')
  expect(Object.keys(toGroup?.data)).toEqual([...keys, 'group_id'])
  expect(toGroup?.data).toMatchObject({ is_group: true, group_id: Number(id), session_id: `group_${id}` })
})

test('message_id grows with time on pushes, comes last, and is absent from what is not kept', async () => {
  const { cat, dan } = await people(app, 'cat', 'dan')
  const [c, d] = await Promise.all([app.ready(cat), app.ready(dan)])
  for (const content of ['one', 'two', 'three']) await c.request('message_sent', { receiver_id: dan.id, content })
  await c.request('typing', { session_id: direct(cat, dan), typing: true })
  const frames = await d.settle()
  const kept = frames.filter(({ type }) => type === 'message_sent')
  expect(kept.map((frame) => Object.keys(frame))).toEqual(kept.map(() => ['type', 'code', 'msg', 'data', 'message_id']))
  const ids = kept.map(({ message_id }) => Number(message_id))
  expect(ids).toEqual(ids.toSorted((x, y) => x - y))
  expect(new Set(ids).size).toBe(3)
  const typing = frames.find(({ type }) => type === 'typing')
  expect(Object.keys(typing ?? {})).toEqual(['type', 'code', 'msg', 'data'])
  await c.close()
  const away = await d.inbox.next(({ type, data }) => type === 'online_status' && !data.online)
  expect(Object.keys(away)).toEqual(['type', 'code', 'msg', 'data'])
})

test('a response repeats the message_id of its request, and has none where the request had none', async () => {
  const client = await app.ready(ann)
  const requests = [
    { type: 'ping' },
    { type: 'heartbeat' },
    { type: 'message_sent', data: { receiver_id: bob.id, content: 'hi' } },
    { type: 'typing', data: { session_id: direct(ann, bob), typing: false } },
    { type: 'reaction_added', data: { message_id: 999_999_999, reaction: '👍' } },
    { type: 'unknown' },
    { type: 'resume', data: { last_message_id: '0' } },
  ]
  for (const [index, request] of requests.entries()) {
    const mine = `mine-${index} 😀`
    client.send({ ...request, message_id: mine })
    const answer = await client.inbox.next(({ message_id }) => message_id === mine)
    expect(Object.keys(answer)).toEqual(['type', 'code', 'msg', 'data', 'message_id'])
  }
  await client.settle()
  const before = client.texts.length
  for (const request of requests.slice(0, -1)) client.send(request)
  for (const message_id of [null, undefined]) client.send({ type: 'ping', message_id })
  await client.request('typing', { session_id: direct(ann, bob), typing: false }, 'last')
  const answers = client.texts.slice(before).map((text) => JSON.parse(text) as Frame)
  expect(answers.length).toBeGreaterThan(requests.length)
  const withId = answers.filter((answer) => 'message_id' in answer && !isPush('message_sent')(answer))
  expect(withId).toMatchObject([{ message_id: 'last' }])
})

test('a heartbeat request is answered as a ping is', async () => {
  const client = await app.ready(ann)
  client.send({ type: 'heartbeat' })
  client.send({ type: 'ping' })
  expect(await client.inbox.take(2)).toEqual(
    Array.from({ length: 2 }, () => ({ type: 'heartbeat', code: 200, msg: 'success', data: {} })),
  )
})

const REQUEST_TEXTS = [
  { type: 'message_sent', data: {}, msg: '发送消息失败' },
  { type: 'typing', data: {}, msg: '更新输入状态失败' },
  { type: 'message_read', data: {}, msg: '标记消息已读失败' },
  { type: 'reaction_added', data: {}, msg: '添加反应失败' },
  { type: 'reaction_removed', data: {}, msg: '移除反应失败' },
  { type: 'resume', data: {}, msg: '恢复失败' },
  { type: 'unheard_of', data: {}, msg: '未知的消息类型' },
  { type: undefined, data: {}, msg: '缺少必要字段' },
]

test.each(REQUEST_TEXTS)('a bad $type request is answered with $msg', async ({ type, data, msg }) => {
  const client = await app.ready(ann)
  client.send({ type, data })
  const frame = await client.inbox.next((one) => one.type === 'error')
  expect(frame).toEqual({
    type: 'error',
    code: 400,
    msg,
    data: { code: 400, message: msg, details: { error: expect.any(String) } },
  })
})
