import {
  getNamedType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
  type ExecutionResult,
  type GraphQLObjectType,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Viewer } from '../../src/auth/verify.ts'
import type { ChatEvent } from '../../src/chat/events.ts'
import { createSharedContext, type Services } from '../../src/graphql/context.ts'
import { createDocuments } from '../../src/graphql/documents.ts'
import { createCounts } from '../../src/telemetry/counters.ts'
import { createSchema } from '../../src/graphql/schema.ts'
import { ExecutionTurns } from '../../src/graphql/execution-turns.ts'
import { SharedExecution } from '../../src/graphql/shared-execution.ts'
import { sharedApp, type TestApp, type TestUser } from '../support/app.ts'
import type { Data, GraphqlClient, Result, Subscription } from '../support/graphql-client.ts'
import { createGroup, direct, eachOf, notify, people, run, say } from '../support/people.ts'

let app: TestApp
beforeAll(async () => {
  app = await sharedApp()
})
afterAll(() => app.stop())

const TRANSPORTS = [
  { name: 'graphql-ws', connect: (user: TestUser): GraphqlClient => app.graphqlWs(user) },
  { name: 'HTTP with SSE', connect: (user: TestUser): GraphqlClient => app.over(user) },
]

const next = async ({ inbox }: Subscription): Promise<Data> => (await inbox.next()).data

const codeOf = async (opening: Promise<Subscription>): Promise<string | undefined> => {
  const [error] = await (await opening).ended
  return error?.extensions.code
}

const typing = (user: TestUser, conversation: string, state: boolean): Promise<Data> =>
  run(app, user, `setTyping(conversationId: "${conversation}", typing: ${state})`)

const MESSAGES = 'subscription ($id: ID) { messageSent(conversationId: $id) { content } }'
const CONVERSATION = `subscription ($id: ID!, $after: ID) {
  conversationEvents(conversationId: $id, after: $after) { __typename id ... on MessageSent { message { content } } }
}`

describe.each(TRANSPORTS)('over $name', ({ connect }) => {
  test('messageSent gives the messages of all of the viewer’s conversations, or of the one asked for', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { conversation } = await createGroup(app, bob, [ann])
    const client = connect(ann)
    const all = await client.subscribe(MESSAGES)
    const inGroup = await client.subscribe(MESSAGES, { id: conversation })
    // A direct conversation that has no message yet.
    const withCat = await client.subscribe(MESSAGES, { id: direct(ann, cat) })
    await say(app, bob, ann, 'one')
    await say(app, cat, ann, 'two')
    await say(app, bob, conversation, 'three')
    await say(app, bob, cat, 'not for ann')
    await say(app, ann, conversation, 'four')
    await say(app, ann, cat, 'five')
    const contents = async (subscription: Subscription, count: number): Promise<string[]> =>
      (await subscription.inbox.take(count)).map(({ data }) => data.messageSent.content)
    expect(await contents(all, 5)).toEqual(['one', 'two', 'three', 'four', 'five'])
    expect(await contents(inGroup, 2)).toEqual(['three', 'four'])
    expect(await contents(withCat, 2)).toEqual(['two', 'five'])
  })

  test('typing gives who types in the conversation, the viewer excepted', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { conversation } = await createGroup(app, bob, [ann, cat])
    const TYPING = `subscription ($id: ID!) { typing(conversationId: $id) { id conversationId user { id name } typing } }`
    const subscription = await connect(ann).subscribe(TYPING, { id: conversation })
    await typing(ann, conversation, true)
    await typing(bob, direct(ann, bob), true)
    await typing(bob, conversation, true)
    await typing(cat, conversation, true)
    await typing(bob, conversation, false)
    const change = ({ id, name }: TestUser, state: boolean) => ({
      typing: { id: null, conversationId: conversation, user: { id: String(id), name }, typing: state },
    })
    expect(await next(subscription)).toEqual(change(bob, true))
    expect(await next(subscription)).toEqual(change(cat, true))
    expect(await next(subscription)).toEqual(change(bob, false))
  })

  test('onlineStatus gives those who share a conversation, or those of them who were asked for', async () => {
    const { ann, bob, cat, dan } = await people(app, 'ann', 'bob', 'cat', 'dan')
    for (const friend of [bob, cat]) await say(app, friend, ann, 'hi')
    const client = connect(ann)
    const STATUS = 'subscription ($ids: [ID!]) { onlineStatus(userIds: $ids) { id userId online lastActive } }'
    const all = await client.subscribe(STATUS)
    const some = await client.subscribe(STATUS, { ids: [String(cat.id), String(dan.id)] })
    const comesAndGoes = async (user: TestUser): Promise<void> => {
      const socket = await app.ready(user)
      await next(all)
      await socket.close()
      await next(all)
    }
    // Dan shares no conversation with Ann: nothing of him comes in between.
    await (await app.ready(dan)).close()
    await comesAndGoes(bob)
    await comesAndGoes(cat)
    const ofCat = (online: boolean) => ({
      onlineStatus: { id: null, userId: String(cat.id), online, lastActive: expect.stringMatching(/\.\d{3}Z$/) },
    })
    expect(await next(some)).toEqual(ofCat(true))
    expect(await next(some)).toEqual(ofCat(false))
  })

  test('notificationReceived gives the viewer’s own', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const NOTIFICATIONS = 'subscription { notificationReceived { id notificationType data readAt } }'
    const subscription = await connect(ann).subscribe(NOTIFICATIONS)
    await notify(app, bob, 'not for ann')
    await say(app, bob, ann, 'no notification')
    await notify(app, ann, 'for ann')
    const { notificationReceived } = await next(subscription)
    expect(notificationReceived).toEqual({
      id: expect.stringMatching(/^\d+$/),
      notificationType: 'for ann',
      data: { n: 1 },
      readAt: null,
    })
  })

  test('conversationEvents gives what happens in one conversation, resumes, and goes on live', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { id: group, conversation } = await createGroup(app, bob, [ann])
    const client = connect(ann)
    const first = await client.subscribe(CONVERSATION, { id: conversation })
    const message = await say(app, ann, conversation, 'one')
    const { id: after } = (await next(first)).conversationEvents
    first.close()
    await say(app, bob, ann, 'elsewhere')
    await say(app, bob, conversation, 'two')
    await run(app, bob, `addReaction(messageId: ${message}, reaction: "👍") { count }`)
    const resumed = await client.subscribe(CONVERSATION, { id: conversation, after })
    await run(app, bob, `inviteToGroup(groupId: ${group}, userIds: [${cat.id}]) { id }`)
    await notify(app, ann, 'elsewhere')
    await typing(cat, conversation, true)
    await run(app, bob, `updateGroup(groupId: ${group}, input: { name: "New" }) { id }`)
    await run(app, cat, `leaveGroup(groupId: ${group})`)
    const events = (await resumed.inbox.take(6)).map(({ data }) => data.conversationEvents)
    expect(events.map(({ __typename }) => __typename)).toEqual([
      'MessageSent',
      'ReactionAdded',
      'MemberJoined',
      'TypingChanged',
      'GroupUpdated',
      'MemberLeft',
    ])
  })

  test('conversationEvents tells the sender of a message who has read it, in a direct conversation and in a group', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { conversation } = await createGroup(app, bob, [ann])
    const client = connect(ann)
    const inDirect = await client.subscribe(CONVERSATION, { id: direct(ann, bob) })
    const inGroup = await client.subscribe(CONVERSATION, { id: conversation })
    for (const target of [bob, conversation]) {
      const message = await say(app, ann, target, 'read me')
      await run(app, bob, `markMessageRead(messageId: ${message}) { readAt }`)
    }
    for (const subscription of [inDirect, inGroup]) {
      expect((await next(subscription)).conversationEvents.__typename).toBe('MessageSent')
      expect((await next(subscription)).conversationEvents.__typename).toBe('MessageRead')
    }
    // The same for every logged event, from the start of the membership on.
    const whole = await client.subscribe(CONVERSATION, { id: conversation, after: '0' })
    const events = (await whole.inbox.take(3)).map(({ data }) => data.conversationEvents.__typename)
    expect(events).toEqual(['GroupUpdated', 'MessageSent', 'MessageRead'])
  })

  test('a subscription to a conversation ends when the viewer stops being a member', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { id, conversation } = await createGroup(app, bob, [ann])
    const client = connect(ann)
    const events = await client.subscribe(CONVERSATION, { id: conversation })
    const messages = await client.subscribe(MESSAGES, { id: conversation })
    const all = await client.subscribe(MESSAGES)
    await run(app, bob, `removeGroupMember(groupId: ${id}, userId: ${ann.id}) { id }`)
    expect(await next(events)).toMatchObject({ conversationEvents: { __typename: 'MemberLeft' } })
    expect(await events.ended).toEqual([])
    expect(await messages.ended).toEqual([])
    await say(app, bob, conversation, 'gone')
    await say(app, bob, ann, 'live')
    expect(await next(all)).toEqual({ messageSent: { content: 'live' } })
    expect(await codeOf(client.subscribe(CONVERSATION, { id: conversation }))).toBe('NOT_FOUND')
  })

  test('what can’t be opened is refused with a code', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    await say(app, ann, bob, 'hi')
    const { conversation } = await createGroup(app, ann, [bob])
    const client = connect(cat)
    const refused = (query: string, variables = {}) => codeOf(client.subscribe(query, variables))
    expect(await refused(CONVERSATION, { id: conversation })).toBe('NOT_FOUND')
    expect(await refused(CONVERSATION, { id: direct(ann, bob) })).toBe('NOT_FOUND')
    expect(await refused(CONVERSATION, { id: 'group_999999' })).toBe('NOT_FOUND')
    expect(await refused(CONVERSATION, { id: direct(ann, cat), after: 'yesterday' })).toBe('BAD_USER_INPUT')
    expect(await refused(MESSAGES, { id: conversation })).toBe('NOT_FOUND')
    expect(await refused('subscription { typing(conversationId: "nowhere") { typing } }')).toBe('NOT_FOUND')
    expect(await refused('subscription { events(after: "-1") { id } }')).toBe('BAD_USER_INPUT')
    expect(await refused('subscription { onlineStatus(userIds: ["x"]) { userId } nothing }')).toBe('BAD_USER_INPUT')
    expect(await refused('subscription ($id: ID!) { typing(conversationId: $id) { typing } }')).toBe('BAD_USER_INPUT')
  })

  test('an error in one event has a code and does not end the subscription', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const MEMBERS =
      'subscription ($first: Int) { messageSent { content conversation { members(first: $first) { edges { cursor } } } } }'
    const client = connect(ann)
    const wrong = await client.subscribe(MEMBERS, { first: 0 })
    const right = await client.subscribe(MEMBERS, { first: 1 })
    for (const content of ['one', 'two']) {
      await say(app, bob, ann, content)
      const { errors } = await wrong.inbox.next()
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' }, path: ['messageSent', 'conversation', 'members'] }])
      expect(await next(right)).toMatchObject({ messageSent: { content, conversation: { members: { edges: [{}] } } } })
    }
  })

  test('a field that depends on the viewer gives each subscriber their own value', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { id, conversation } = await createGroup(app, ann, [bob, cat], 'announcement: "for members"')
    await say(app, ann, conversation, 'one')
    await say(app, bob, conversation, 'two')
    const OWN = `subscription { messageSent {
      content conversation { unreadCount group { announcement joinRequests { id } } }
    } }`
    const subscriptions = await eachOf({ ann, bob, cat }, (user) => connect(user).subscribe(OWN))
    const stranger = await people(app, 'stranger')
    await run(app, ann, `updateGroup(groupId: ${id}, input: { joinApprovalRequired: true }) { id }`)
    await run(app, stranger.stranger, `joinGroup(groupId: ${id})`)
    await say(app, ann, conversation, 'three')
    const waiting = [{ id: String(stranger.stranger.id) }]
    const own = (unreadCount: number, joinRequests: unknown) => ({
      messageSent: { content: 'three', conversation: { unreadCount, group: { announcement: 'for members', joinRequests } } },
    })
    expect(await eachOf(subscriptions, next)).toEqual({ ann: own(1, waiting), bob: own(2, null), cat: own(3, null) })
  })

  test('subscribers of the same document get identical results, whatever chose their events', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { conversation } = await createGroup(app, ann, [bob, cat])
    const SAME = `subscription ($id: ID) { messageSent(conversationId: $id) {
      id content timestamp sender { id name online } conversation { id members { edges { node { id name } } } }
    } }`
    const subscriptions = [
      ...(await Promise.all([ann, bob, cat, cat].map((user) => connect(user).subscribe(SAME)))),
      await connect(bob).subscribe(SAME, { id: conversation }),
    ]
    await say(app, ann, conversation, 'for all')
    const results: Result[] = await Promise.all(subscriptions.map(({ inbox }) => inbox.next()))
    expect(results[0]).toMatchObject({ data: { messageSent: { content: 'for all', sender: { name: 'ann' } } } })
    for (const result of results) expect(JSON.stringify(result)).toBe(JSON.stringify(results[0]))
  })
})

test('operations on one socket with different variables keep their events apart', async () => {
  const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
  const client = app.graphqlWs(ann)
  const [fromBob, fromCat] = await Promise.all([bob, cat].map((user) => client.subscribe(MESSAGES, { id: direct(ann, user) })))
  await say(app, bob, ann, 'from bob')
  await say(app, cat, ann, 'from cat')
  await say(app, bob, ann, 'again')
  expect(await next(fromBob as Subscription)).toEqual({ messageSent: { content: 'from bob' } })
  expect(await next(fromBob as Subscription)).toEqual({ messageSent: { content: 'again' } })
  expect(await next(fromCat as Subscription)).toEqual({ messageSent: { content: 'from cat' } })
})

test.each([
  'subscription { messageSent @skip(if: true) { content } }',
  'subscription { ...F @include(if: false) } fragment F on Subscription { messageSent { content } }',
])('%s has no field, which is refused', async (document) => {
  const message = 'the subscription has no field: all of them are left out by @skip or @include'
  const { ann } = await people(app, 'ann')
  expect((await app.graphqlWs(ann).run(document)).errors).toEqual([{ message, extensions: { code: 'BAD_USER_INPUT' } }])
})

test('variables that a result depends on are not shared', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  const PAGE = `subscription ($first: Int, $more: Boolean!) { messageSent {
    conversation { members(first: $first) { edges { cursor } } } content @include(if: $more)
  } }`
  const client = app.graphqlWs(ann)
  const [one, two] = await Promise.all([
    client.subscribe(PAGE, { first: 1, more: false }),
    client.subscribe(PAGE, { first: 2, more: true }),
  ])
  await say(app, bob, ann, 'hi')
  expect((await next(one)).messageSent).toEqual({ conversation: { members: { edges: [expect.anything()] } } })
  expect((await next(two)).messageSent).toEqual({
    conversation: { members: { edges: [expect.anything(), expect.anything()] } },
    content: 'hi',
  })
})

test('who gives null for a variable takes nothing from those who leave it to its default', async () => {
  const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
  const { conversation } = await createGroup(app, ann, [bob, cat])
  const CONTENT = 'subscription ($shown: Boolean = true) { messageSent { content @include(if: $shown) } }'
  await app.graphqlWs(cat).subscribe(CONTENT, { shown: null })
  const subscription = await app.graphqlWs(bob).subscribe(CONTENT)
  await say(app, ann, conversation, 'for all')
  expect(await subscription.inbox.next()).toEqual({ data: { messageSent: { content: 'for all' } } })
})

test('after one operation of a socket is completed the others go on', async () => {
  const { ann, bob } = await people(app, 'ann', 'bob')
  const client = app.graphqlWs(ann)
  const [first, second] = [await client.subscribe(MESSAGES), await client.subscribe(MESSAGES)]
  first.close()
  await say(app, bob, ann, 'hi')
  expect(await next(second)).toEqual({ messageSent: { content: 'hi' } })
  expect(first.inbox.waiting).toEqual([])
})

describe('what events cost', () => {
  /** Some 500 fields for each event. */
  const PAGE = 'conversation { messages(first: 100) { edges { node { id messageType sender { id } } } } }'
  const EXPENSIVE = `subscription ($id: ID) { messageSent(conversationId: $id) { content ${PAGE} } }`

  /** Opens the same subscription until one is refused, which must be for the rate; returns those that are open. */
  async function openUntilRefused(
    client: GraphqlClient,
    limit: number,
    query: string,
    variables?: Data,
  ): Promise<Subscription[]> {
    const open: Subscription[] = []
    let refused: string | undefined
    while (refused === undefined && open.length < limit) {
      const subscription = await client.subscribe(query, variables)
      const early = await Promise.race([subscription.ended, client.run('{ viewer { id } }')])
      refused = Array.isArray(early) ? early[0]?.extensions.code : undefined
      if (refused === undefined) open.push(subscription)
    }
    expect(refused).toBe('RATE_LIMITED')
    return open
  }

  test('is bounded for each connection; a subscription that is over makes room for another', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const client = app.graphqlWs(ann)
    const open = await openUntilRefused(client, 20, EXPENSIVE)
    expect(open.length).toBeGreaterThan(5)
    // Each of them gets its events all the same, and in order.
    for (const text of ['one', 'two', 'three']) await say(app, bob, ann, text)
    for (const { inbox } of open) {
      expect((await inbox.take(3)).map(({ data }) => data.messageSent.content)).toEqual(['one', 'two', 'three'])
    }
    open[0]?.close()
    const another = await client.subscribe(EXPENSIVE)
    await say(app, bob, ann, 'four')
    expect((await next(another)).messageSent.content).toBe('four')
  })

  test('counts a long text as several fields', async () => {
    const { ann } = await people(app, 'ann')
    const client = app.graphqlWs(ann)
    const contents = Array.from({ length: 29 }, (_, index) => `a${index}: content`).join(' ')
    const open = await openUntilRefused(client, 60, `subscription { messageSent { ${contents} } }`)
    expect(open.length).toBeGreaterThan(15)
  })

  test('counts what is held of its variables', async () => {
    const { ann } = await people(app, 'ann')
    const client = app.graphqlWs(ann)
    const ONLINE = 'subscription ($ids: [ID!]) { onlineStatus(userIds: $ids) { online } }'
    const ids = Array.from({ length: 5000 }, (_, index) => String(100_000 + index))
    const open = await openUntilRefused(client, 20, ONLINE, { ids })
    expect(open.length).toBeGreaterThan(5)
  })

  test('is bounded for each subscription', async () => {
    const { ann } = await people(app, 'ann')
    const aliases = Array.from({ length: 12 }, (_, index) => `m${index}: ${PAGE.slice('conversation { '.length, -2)}`)
    const tooMuch = `subscription { messageSent { conversation { ${aliases.join(' ')} } } }`
    for (const { connect } of TRANSPORTS) expect(await codeOf(connect(ann).subscribe(tooMuch))).toBe('BAD_USER_INPUT')
  })
})

describe('a shared execution', () => {
  const schema = createSchema()
  const documents = createDocuments(schema, { suggestions: true })
  /** Services that hold nothing: whatever is looked up is not there. */
  const services = { chat: { presence: { isOnline: () => false } } } as unknown as Services

  test('has a context in which everything of a viewer throws', () => {
    const context = createSharedContext(services)
    for (const key of ['viewer', 'viewerLoad', 'connectionId', 'feeds', 'admin'] as const) {
      expect(() => context[key]).toThrow('a shared execution has no viewer')
    }
  })

  test('fails on a field that depends on the viewer, and says nothing of it', async () => {
    const reported: unknown[] = []
    const viewer: Viewer = { userId: 1, name: 'Ann', avatar: null, isAdmin: false, issuedAt: 0, expiresAt: 0 }
    const execution = new SharedExecution({
      services,
      turns: new ExecutionTurns(),
      counts: createCounts(),
      report: (error) => reported.push(error),
    })
    const prepared = documents('subscription { messageSent { content conversation { unreadCount } } }')
    const operation = prepared.operations.get('') as NonNullable<ReturnType<typeof prepared.operations.get>>
    expect(operation.isShared).toBe(false)
    const event = {
      id: 1,
      at: 0,
      kind: 'message_sent',
      payload: {
        id: 1,
        conversationId: 'direct_1_2',
        isGroup: false,
        groupId: null,
        senderId: 1,
        senderName: 'Ann',
        senderAvatar: null,
        content: 'secret',
        messageType: 'text',
        mediaUrl: null,
        at: 0,
      },
    } satisfies ChatEvent
    const shared = execution.share(prepared, { ...operation, isShared: true }, {}, 0)
    const result = (await shared.result(event, viewer)) as ExecutionResult
    expect(result.data ?? null).toBeNull()
    expect(result.errors).toMatchObject([{ message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }])
    expect(String(reported[0])).toContain('must carry @viewerDependent')
    // The same event is executed once for all subscribers.
    expect(await shared.result(event, viewer)).toBe(result)
  })

  test('is what every field gets that can be reached from a subscription and is not marked', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { id, conversation } = await createGroup(app, ann, [bob])
    const isMarked = (field: ReturnType<GraphQLObjectType['getFields']>[string]): boolean =>
      field.astNode?.directives?.some(({ name }) => name.value === 'viewerDependent') ?? false

    /** Everything of a type that is not marked, some levels deep; of a quoted message not what makes an operation unshared. */
    function selectionOf(type: GraphQLObjectType, depth: number, isQuoted = false): string {
      const fields = Object.values(type.getFields()).flatMap((field) => {
        if (isMarked(field) || field.args.some(isRequiredArgument)) return []
        if (isQuoted && ['reactions', 'readBy', 'replyTo'].includes(field.name)) return []
        const of = getNamedType(field.type)
        const page = field.args.some(({ name }) => name === 'first') ? '(first: 2)' : ''
        if (!isObjectType(of)) return isInterfaceType(of) ? [] : [field.name]
        return depth > 0 ? [`${field.name}${page} ${selectionOf(of, depth - 1, isQuoted || field.name === 'replyTo')}`] : []
      })
      return `{ __typename ${fields.join(' ')} }`
    }

    const eventTypes = schema.getPossibleTypes(schema.getType('Event') as never)
    const client = app.graphqlWs(ann)
    const subscriptions = await Promise.all(
      eventTypes.map(async ({ name }) => {
        const query = `subscription { events { __typename ... on ${name} ${selectionOf(schema.getType(name) as GraphQLObjectType, 4)} } }`
        expect(documents(query)).toMatchObject({ errors: [], operations: new Map([['', { isShared: true }]]) })
        return await client.subscribe(query)
      }),
    )
    const message = await say(app, ann, conversation, 'hi')
    await run(app, bob, `markMessageRead(messageId: ${message}) { readAt }`)
    await run(app, bob, `addReaction(messageId: ${message}, reaction: "👍") { count }`)
    await run(app, bob, `removeReaction(messageId: ${message}, reaction: "👍") { count }`)
    await run(app, ann, `updateGroup(groupId: ${id}, input: { name: "New" }) { id }`)
    await run(app, cat, `joinGroup(groupId: ${id})`)
    await run(app, cat, `leaveGroup(groupId: ${id})`)
    await typing(bob, conversation, true)
    await notify(app, ann, 'last')
    for (const { inbox } of subscriptions) {
      const results = await inbox.take(9)
      expect(results.flatMap(({ errors }) => errors ?? [])).toEqual([])
      expect(results.at(-1)?.data.events.__typename).toBe('NotificationReceived')
    }
    expect(app.logged.filter(({ stage }) => stage === 'operation')).toEqual([])
  })
})
