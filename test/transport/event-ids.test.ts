import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import type { Data } from '../support/graphql-client.ts'
import { Inbox } from '../support/inbox.ts'
import { createGroup, notify, people, run, say } from '../support/people.ts'

const RESUME_LIMIT = 5

let app: TestApp
beforeAll(async () => {
  app = await startApp({ RESUME_LIMIT: String(RESUME_LIMIT) })
})
afterAll(() => app.stop())

interface ServerSentEvent {
  /** What the client would send as Last-Event-ID after this event. */
  lastEventId: string
  event: string
  data: Data
}

/** A plain reader of server-sent events, as WHATWG's HTML has it (9.2.6). */
async function open(
  user: TestUser,
  query: string,
  variables: Data = {},
  lastEventId?: string,
): Promise<Inbox<ServerSentEvent> & { cut: () => void }> {
  const controller = new AbortController()
  const response = await fetch(app.graphqlUrl, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${tokenOf({ userId: user.id })}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    body: JSON.stringify({ query, variables }),
    signal: controller.signal,
  })
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const inbox = new Inbox<ServerSentEvent>()
  void read(response, inbox).catch(() => inbox.end('the stream was cut'))
  return Object.assign(inbox, { cut: () => controller.abort() })
}

async function read(response: Response, inbox: Inbox<ServerSentEvent>): Promise<void> {
  let text = ''
  let last = ''
  let fields: { event: string; data: string[] } = { event: '', data: [] }
  for await (const chunk of (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split('\n')
    text = lines.pop() as string
    for (const line of lines) {
      const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) as unknown as [string, string, string | undefined]
      if (line === '') {
        if (fields.data.length > 0)
          inbox.push({ lastEventId: last, event: fields.event, data: JSON.parse(fields.data.join('\n') || 'null') })
        fields = { event: '', data: [] }
      } else if (name === 'id') last = value
      else if (name === 'event') fields.event = value
      else if (name === 'data') fields.data.push(value)
    }
  }
  inbox.end('the stream ended')
}

const WITH_ID = 'subscription ($after: ID) { events(after: $after) { __typename id ... on MessageSent { message { content } } } }'
const WITHOUT_ID = 'subscription ($after: ID) { events(after: $after) { __typename ... on MessageSent { message { content } } } }'

test('each result of an event that has an id has it, selected or not', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  const { conversation } = await createGroup(app, bob, [ann])
  const [selected, not] = [await open(ann, WITH_ID), await open(ann, WITHOUT_ID)]
  await say(app, bob, conversation, 'one')
  await run(app, bob, `setTyping(conversationId: "${conversation}", typing: true)`)
  await notify(app, ann, 'two')
  const typename = ({ data }: ServerSentEvent): string => data.data.events.__typename
  const events = (await selected.take(3)).filter((each) => typename(each) !== 'OnlineStatusChanged')
  const others = await not.take(3)
  expect(events.map(typename)).toEqual(['MessageSent', 'TypingChanged', 'NotificationReceived'])
  const [message, typing, notification] = events
  expect(message).toMatchObject({ event: 'next', lastEventId: message?.data.data.events.id })
  // An event without an id leaves the last one as it is.
  expect(typing).toMatchObject({ lastEventId: message?.lastEventId, data: { data: { events: { id: null } } } })
  expect(notification?.lastEventId).toBe(notification?.data.data.events.id)
  expect(others.map(({ lastEventId }) => lastEventId)).toEqual(events.map(({ lastEventId }) => lastEventId))
})

test('a subscription that takes no after has no ids, and ignores Last-Event-ID', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  const stream = await open(ann, 'subscription { messageSent { content } }', {}, 'no cursor at all')
  await say(app, bob, ann, 'one')
  expect(await stream.next()).toEqual({ event: 'next', lastEventId: '', data: { data: { messageSent: { content: 'one' } } } })
})

test('Last-Event-ID is what is resumed after, whatever the body says, unless it is empty', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  const stream = await open(ann, WITHOUT_ID)
  for (const text of ['one', 'two', 'three']) await say(app, bob, ann, text)
  const [one] = await stream.take(3)
  stream.cut()
  const textsOf = async (opened: Inbox<ServerSentEvent>, count: number): Promise<string[]> =>
    (await opened.take(count)).map(({ data }) => data.data.events.message.content)
  expect(await textsOf(await open(ann, WITHOUT_ID, { after: '0' }, one?.lastEventId), 2)).toEqual(['two', 'three'])
  expect(await textsOf(await open(ann, WITHOUT_ID, {}, one?.lastEventId), 2)).toEqual(['two', 'three'])
  expect(
    await textsOf(
      await open(ann, 'subscription { events { ... on MessageSent { message { content } } } }', {}, one?.lastEventId),
      2,
    ),
  ).toEqual(['two', 'three'])
  expect(await textsOf(await open(ann, WITHOUT_ID, { after: '0' }, ''), 3)).toEqual(['one', 'two', 'three'])
  const bad = await open(ann, WITHOUT_ID, { after: '0' }, 'no cursor')
  expect((await bad.next()).data.errors[0].extensions.code).toBe('BAD_USER_INPUT')
  const { cursor } = await app.over(ann).data('{ cursor }')
  await say(app, bob, ann, 'four')
  expect(await textsOf(await open(ann, WITHOUT_ID, { after: '0' }, cursor as string), 1)).toEqual(['four'])
})

test.each(['900000000', '9007199254740993'])(
  'after %s, which the log does not know, a stream goes on after the id of ResumeIncomplete',
  async (unknown) => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    await say(app, bob, ann, 'before')
    const stream = await open(ann, WITH_ID, {}, unknown)
    const incomplete = await stream.next()
    expect(incomplete.data.data.events).toEqual({ __typename: 'ResumeIncomplete', id: null })
    expect(incomplete.lastEventId).not.toBe('')
    stream.cut()
    await say(app, bob, ann, 'after')
    const again = await open(ann, WITH_ID, {}, incomplete.lastEventId)
    expect((await again.next()).data.data.events).toMatchObject({ message: { content: 'after' } })
  },
)

test('where too much was missed a stream goes on after what is left out', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  for (let number = 0; number < 2 * RESUME_LIMIT; number++) await say(app, bob, ann, String(number))
  const stream = await open(ann, WITH_ID, { after: '0' })
  const incomplete = await stream.next()
  expect(incomplete.data.data.events.__typename).toBe('ResumeIncomplete')
  const rest = (await stream.take(RESUME_LIMIT)).map(({ data }) => data.data.events.message.content)
  stream.cut()
  const again = await open(ann, WITH_ID, { after: '0' }, incomplete.lastEventId)
  expect((await again.take(RESUME_LIMIT)).map(({ data }) => data.data.events.message?.content)).toEqual(rest)
})

test('a stream that ends says so', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  const { id, conversation } = await createGroup(app, bob, [ann])
  const stream = await open(ann, 'subscription ($id: ID!) { conversationEvents(conversationId: $id) { __typename } }', {
    id: conversation,
  })
  await run(app, bob, `removeGroupMember(groupId: ${id}, userId: ${ann.id}) { id }`)
  const [left, complete] = await stream.take(2)
  expect(left?.lastEventId).toMatch(/^\d+$/)
  expect(complete).toMatchObject({ event: 'complete', data: null })
})
