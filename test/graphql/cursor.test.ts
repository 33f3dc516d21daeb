import { randomBytes } from 'node:crypto'
import { getNamedType, isCompositeType, isRequiredArgument, type GraphQLObjectType } from 'graphql'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createSchema } from '../../src/graphql/schema.ts'
import { startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { GRAPHQL_WS, LEGACY, LEGACY_FRAME, SSE, textsOf } from '../support/chat-client.ts'
import { skipCluster, startCluster, type TestCluster } from '../support/cluster.ts'
import { copyServerDatabase, dropServerDatabase, skipServer } from '../support/database.ts'
import { connectHttp, type Data } from '../support/graphql-client.ts'
import type { Frame } from '../support/legacy-client.ts'
import { createGroup, direct, people, run, say } from '../support/people.ts'
import { pathsFrom, selectionOf } from '../support/schema-paths.ts'

const schema = createSchema()

const CURSOR = /^(?!\d+$)[A-Za-z0-9_-]{1,1024}$/

const inOrder = (texts: readonly (string | undefined)[]): string[] => texts.map(String).toSorted((a, b) => a.localeCompare(b))

const cursorOf = async (app: TestApp, user: TestUser): Promise<string> =>
  (await app.over(user).data('{ cursor }')).cursor as string

const HISTORY = `query ($id: ID!) { conversation(id: $id) { messages { edges { node { content } } } } cursor }`

/** The contents of a conversation's messages, oldest first, and the cursor of the answer. */
const historyOf = async (app: TestApp, user: TestUser, id: string): Promise<{ texts: string[]; cursor: string }> => {
  const { conversation, cursor } = await app.over(user).data(HISTORY, { id })
  return { texts: conversation.messages.edges.map(({ node }: { node: { content: string } }) => node.content).reverse(), cursor }
}

/** The first server-sent events of the viewer's stream after a position, each with its id. */
async function blocksOf(
  app: TestApp,
  user: TestUser,
  after: string,
  count: number,
): Promise<{ id: string | undefined; data: Data }[]> {
  const controller = new AbortController()
  const response = await fetch(app.graphqlUrl, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${tokenOf({ userId: user.id })}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'last-event-id': after,
    },
    body: JSON.stringify({
      query: 'subscription ($after: ID) { events(after: $after) { __typename ... on MessageSent { message { content } } } }',
    }),
    signal: controller.signal,
  })
  let text = ''
  for await (const chunk of (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream())) {
    text += chunk
    const blocks = text
      .split('\n\n')
      .slice(0, -1)
      .filter((block) => block.startsWith('event: next'))
    if (blocks.length < count) continue
    controller.abort()
    return blocks.map((block) => ({
      id: /^id: (.*)$/m.exec(block)?.[1],
      data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] as string).data,
    }))
  }
  throw new Error(`the stream ended: ${text}`)
}

const ENGINES = [
  { engine: 'the embedded database', skip: false, open: async () => ({ env: {}, drop: () => Promise.resolve() }) },
  {
    engine: 'PostgreSQL',
    skip: skipServer,
    async open() {
      const url = await copyServerDatabase()
      return { env: { DATABASE_URL: url }, drop: () => dropServerDatabase(url) }
    },
  },
]

for (const { engine, skip, open } of ENGINES) {
  describe.skipIf(skip)(`a cursor on ${engine}`, () => {
    let app: TestApp
    let drop: () => Promise<void>
    beforeAll(async () => {
      const opened = await open()
      drop = opened.drop
      app = await startApp({ ...opened.env, RESUME_LIMIT: '10' })
    })
    afterAll(async () => {
      await app.stop()
      await drop()
    })

    test.each([LEGACY, LEGACY_FRAME, GRAPHQL_WS, SSE])('is where a stream goes on over $name', async (transport) => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { conversation } = await createGroup(app, bob, [ann])
      await say(app, bob, ann, 'before')
      const { texts, cursor } = await historyOf(app, ann, direct(ann, bob))
      expect(texts).toEqual(['before'])
      expect(cursor).toMatch(CURSOR)
      await say(app, bob, ann, 'one')
      await say(app, bob, conversation, 'two')
      const client = await transport.connect(app, ann, cursor)
      expect(textsOf(await client.settle())).toEqual(['one', 'two'])
      expect(client.isIncomplete()).toBe(false)
      await say(app, bob, ann, 'live')
      expect(textsOf(await client.settle())).toEqual(['live'])

      const later = await transport.connect(app, ann, await cursorOf(app, ann))
      expect(await later.settle()).toEqual([])
      expect(later.isIncomplete()).toBe(false)
    })

    test('is selected by an alias, in a fragment, behind a directive, and beside everything else of Query', async () => {
      const { ann } = await people(app, 'ann')
      const client = app.over(ann)
      const queries = [
        '{ at: cursor }',
        '{ ...Here } fragment Here on Query { at: cursor }',
        '{ ... on Query { ... { at: cursor } } }',
        'query ($yes: Boolean! = true) { at: cursor @include(if: $yes) }',
        'query A { at: cursor viewer { id name online } conversations { edges { node { id unreadCount } } } notifications { edges { node { id } } } }',
      ]
      for (const query of queries) {
        const { at } = await client.data(query)
        expect(at).toMatch(CURSOR)
      }
      expect(await client.data('query ($no: Boolean! = false) { viewer { id } cursor @include(if: $no) }')).toEqual({
        viewer: { id: String(ann.id) },
      })
      // What is asked of the nodes is outside of the snapshot, and waits for nothing in it.
      const topic = await app.admin.data(
        `{ cursor topic(id: "user:${ann.id}") { id head } cluster { nodes { id } } connections(userId: ${ann.id}) { id } }`,
      )
      expect(topic).toMatchObject({ topic: null, connections: [] })
      const { cursor, messageSent } = await app.over(ann).data('query { cursor viewer { id } }')
      expect({ cursor, messageSent }).toEqual({ cursor: expect.stringMatching(CURSOR), messageSent: undefined })
    })

    test('beside any other field of Query changes nothing of the answer, and reads it all from the snapshot', async () => {
      const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
      const group = await createGroup(app, ann, [bob], 'joinApprovalRequired: true')
      await run(app, cat, `joinGroup(groupId: ${group.id})`)
      const message = await say(app, bob, group.conversation, 'hello @ann')
      await run(
        app,
        bob,
        `sendMessage(input: { conversationId: "${group.conversation}", content: "re", replyToId: ${message}, mentionIds: [${ann.id}] }) { id }`,
      )
      await run(app, bob, `addReaction(messageId: ${message}, reaction: "a") { count }`)
      await run(app, ann, `markMessageRead(messageId: ${message}) { readAt }`)
      await run(app, ann, `reportMessage(messageId: ${message}, reason: "r") { id }`)
      await run(app, ann, `blockUser(userId: ${cat.id}) { id }`)
      const { http } = app
      const admin = connectHttp(`${http}/graphql`, tokenOf({ userId: ann.id, name: ann.name, isAdmin: true }))
      const argumentsOf: Record<string, string> = {
        user: `(id: ${bob.id})`,
        conversation: `(id: "${group.conversation}")`,
        message: `(id: ${message})`,
        group: `(id: ${group.id})`,
        searchMessages: '(hasMedia: false)',
        connections: `(userId: ${ann.id})`,
        topic: `(id: "group:${group.id}")`,
        conversationsOf: `(userId: ${bob.id})`,
      }
      const root = schema.getQueryType() as GraphQLObjectType
      for (const { name, args, type } of Object.values(root.getFields())) {
        // What changes with each request: the audit log has an entry for each reading.
        if (['cursor', 'auditLog', 'cluster', 'connections', 'statistics'].includes(name)) continue
        const isOpen = args.some((arg) => isRequiredArgument(arg))
        expect(isOpen && argumentsOf[name] === undefined ? `${name} takes arguments that the test has to give` : '').toBe('')
        for (const path of isCompositeType(getNamedType(type)) ? pathsFrom(schema, root, name, 2) : []) {
          const selection = selectionOf([path])
          const field = `${name}${argumentsOf[name] ?? ''} ${selection.slice(selection.indexOf('{'))}`
          const { data, errors } = await admin.run(`{ ${field} }`)
          const within = await admin.run(`{ cursor ${field} }`)
          expect({ field, errors: within.errors?.map(({ message: text }) => text) }).toEqual({
            field,
            errors: errors?.map(({ message: text }) => text),
          })
          if (data) expect({ field, data: { ...within.data, cursor: '' } }).toEqual({ field, data: { ...data, cursor: '' } })
        }
      }
      for (const field of [
        'auditLog { edges { node { id actor { id name } action } } }',
        'cluster { nodes { id } }',
        'statistics { messages activeUsers }',
      ]) {
        expect((await admin.run(`{ cursor ${field} }`)).errors).toBeUndefined()
      }
    })

    test('that is mangled, or nothing that was given out, is refused', async () => {
      const { ann } = await people(app, 'ann')
      const cursor = await cursorOf(app, ann)
      const bytes = Buffer.from(cursor, 'base64url')
      const mangled = [
        ...Array.from({ length: bytes.length }, (_, at) => {
          const copy = Buffer.from(bytes)
          copy[at] = (copy[at] as number) ^ 1
          return copy.toString('base64url')
        }),
        cursor.slice(0, -1),
        `${cursor}A`,
        `${cursor}AAAA`,
        randomBytes(100).toString('base64url'),
        `A${'A'.repeat(1023)}`,
        `A${'A'.repeat(1024)}`,
        'x',
        '-1',
        '1.5',
        '',
        ' ',
        `${cursor} `,
        '9'.repeat(20),
      ]
      const client = app.graphqlWs(ann)
      for (const after of mangled) {
        const { inbox, ended } = await client.subscribe(
          'subscription ($after: ID) { events(after: $after) { id } }',
          { after },
          { untilOpen: false },
        )
        expect((await ended).map(({ extensions }) => extensions.code)).toEqual(['BAD_USER_INPUT'])
        expect(inbox.waiting.every(({ data }) => data == null)).toBe(true)
      }
      const { ended } = await client.subscribe(
        `subscription { conversationEvents(conversationId: "x", after: "${mangled[3]}") { id } }`,
        {},
        { untilOpen: false },
      )
      expect((await ended)[0]?.extensions.code).toMatch(/BAD_USER_INPUT|NOT_FOUND/)
      const legacy = await app.ready(ann)
      for (const id of [mangled[20], mangled.at(-8), 'x'] as string[]) {
        const answer = await legacy.request('resume', { last_message_id: id })
        expect(answer).toMatchObject({ type: 'error', code: 400, msg: '恢复失败' })
      }
      const refused = await app
        .legacy(ann, { headers: { 'last-event-id': mangled[20] as string } })
        .catch((error: unknown) => error)
      expect(refused).toMatchObject({ status: 400 })
      expect((JSON.parse((refused as { body: string }).body) as Frame).msg).toBe('恢复失败')
    })

    test('of another user gives the own events after that point', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      await say(app, bob, ann, 'before')
      const cursor = await cursorOf(app, bob)
      await say(app, bob, ann, 'after')
      const client = await SSE.connect(app, ann, cursor)
      expect(textsOf(await client.settle())).toEqual(['after'])
    })

    test('follows memberships that began and ended since', async () => {
      const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
      const left = await createGroup(app, bob, [ann, cat])
      const joined = await createGroup(app, bob, [cat])
      const cursor = await cursorOf(app, ann)
      await say(app, cat, left.conversation, 'seen')
      await say(app, cat, joined.conversation, 'too early')
      await run(app, bob, `removeGroupMember(groupId: ${left.id}, userId: ${ann.id}) { id }`)
      await run(app, bob, `inviteToGroup(groupId: ${joined.id}, userIds: [${ann.id}]) { id }`)
      await say(app, cat, left.conversation, 'too late')
      await say(app, cat, joined.conversation, 'seen too')
      const client = await GRAPHQL_WS.connect(app, ann, cursor)
      expect((await client.settle()).map(({ kind, text }) => text ?? kind)).toEqual([
        'seen',
        'member_left',
        'member_joined',
        'seen too',
      ])
      expect(client.isIncomplete()).toBe(false)
    })

    test('of one conversation goes on in that conversation', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { conversation } = await createGroup(app, bob, [ann])
      const { cursor } = await historyOf(app, ann, conversation)
      await say(app, bob, ann, 'elsewhere')
      await say(app, bob, conversation, 'here')
      const { inbox } = await app
        .over(ann)
        .subscribe(
          'subscription ($id: ID!, $after: ID) { conversationEvents(conversationId: $id, after: $after) { ... on MessageSent { message { content } } } }',
          {
            id: conversation,
            after: cursor,
          },
        )
      expect(await inbox.next()).toEqual({ data: { conversationEvents: { message: { content: 'here' } } } })
    })

    test('from before too much was missed is incomplete, and the one of another query goes on', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const cursor = await cursorOf(app, ann)
      for (let number = 0; number <= 10; number++) await say(app, bob, ann, String(number))
      const client = await SSE.connect(app, ann, cursor)
      expect(textsOf(await client.settle())).toHaveLength(10)
      expect(client.isIncomplete()).toBe(true)
      const again = await SSE.connect(app, ann, await cursorOf(app, ann))
      await say(app, bob, ann, 'more')
      expect(textsOf(await again.settle())).toEqual(['more'])
      expect(again.isIncomplete()).toBe(false)
    })

    test('a burst of queries with a cursor lets sends through and is answered as a whole', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      await say(app, bob, ann, 'before')
      const queries = Array.from({ length: 50 }, () => historyOf(app, ann, direct(ann, bob)))
      const sends = Array.from({ length: 10 }, (_, number) => say(app, bob, ann, `burst ${number}`))
      await Promise.all(sends)
      const states = await Promise.all(queries)
      expect(states).toHaveLength(50)
      // Most have seen the same.
      for (const { texts, cursor } of new Map(states.map((state) => [`${state.cursor} ${state.texts.join()}`, state])).values()) {
        const client = await SSE.connect(app, ann, cursor)
        const rest = textsOf(await client.settle())
        client.cut()
        expect(inOrder([...texts, ...rest])).toEqual(inOrder(['before', ...sends.map((_, number) => `burst ${number}`)]))
      }
    })
  })
}

describe.skipIf(skipServer)('a cursor while transactions are held open', () => {
  let app: TestApp
  let url: string
  let client: pg.Client
  let writer: pg.Client
  beforeAll(async () => {
    url = await copyServerDatabase()
    app = await startApp({ DATABASE_URL: url, POSITION_CHECK_MS: '100' })
    client = new pg.Client({ connectionString: url })
    writer = new pg.Client({ connectionString: url })
    await Promise.all([client.connect(), writer.connect()])
  })
  afterAll(async () => {
    await Promise.all([client.end(), writer.end()])
    await app.stop()
    await dropServerDatabase(url)
  })

  afterEach(async () => {
    await client.query('ROLLBACK')
  })

  /** Appends a notification to the user's topic as the server does, and leaves the transaction open. */
  async function beginEvent(user: TestUser, type: string): Promise<void> {
    // Stored from here on: that would wait for the topic.
    await cursorOf(app, user)
    await client.query('BEGIN')
    await client.query('SELECT FROM topics WHERE name = $1 FOR UPDATE', [`user:${user.id}`])
    const { rows } = await client.query<{ id: string }>(
      "INSERT INTO notifications (user_id, type, data) VALUES ($1, $2, '{}') RETURNING id",
      [user.id, type],
    )
    const payload = { id: Number(rows[0]?.id), userId: user.id, type, data: {}, at: Date.now(), readAt: null }
    await client.query(
      `WITH head AS (UPDATE topics SET seq = seq + 1 WHERE name = $1 RETURNING seq)
      INSERT INTO events (topic, seq, kind, payload, xid, snapshot)
      SELECT $1, seq, 'notification', $2, pg_current_xact_id()::text::bigint, pg_current_snapshot()::text FROM head`,
      [`user:${user.id}`, payload],
    )
  }

  const STATE = `{ notifications { edges { node { notificationType } } } conversations { edges { node { id lastMessage { content } } } } cursor }`
  const typesIn = ({ notifications }: { notifications: { edges: { node: { notificationType: string } }[] } }): string[] =>
    notifications.edges.map(({ node }) => node.notificationType)
  const EVENTS = `subscription ($after: ID) { events(after: $after) { id ... on NotificationReceived { notification { notificationType } } ... on MessageSent { message { content } } } }`

  test('gives the held event when it is committed, though other events with higher ids are shown already', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { conversation } = await createGroup(app, bob, [ann])
    await beginEvent(ann, 'held')
    await say(app, bob, conversation, 'committed meanwhile')
    const state = await app.over(ann).data(STATE)
    expect(typesIn(state)).toEqual([])
    expect(state.conversations.edges[0].node.lastMessage).toEqual({ content: 'committed meanwhile' })

    const early = await app.over(ann).subscribe(EVENTS, { after: state.cursor })
    await client.query('COMMIT')
    expect((await early.inbox.next()).data.events).toMatchObject({ notification: { notificationType: 'held' } })
    const late = await app.over(ann).subscribe(EVENTS, { after: state.cursor })
    expect((await late.inbox.next()).data.events).toMatchObject({ notification: { notificationType: 'held' } })
    await say(app, bob, conversation, 'live')
    for (const { inbox } of [early, late])
      expect((await inbox.next()).data.events).toMatchObject({ message: { content: 'live' } })
  })

  test('gives nothing of a transaction that is rolled back', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { conversation } = await createGroup(app, bob, [ann])
    await beginEvent(ann, 'undone')
    const cursor = await cursorOf(app, ann)
    await client.query('ROLLBACK')
    await say(app, bob, conversation, 'after')
    const { inbox } = await app.over(ann).subscribe(EVENTS, { after: cursor })
    expect((await inbox.next()).data.events).toMatchObject({ message: { content: 'after' } })
  })

  test('from before the retention is incomplete; the stream goes on after the id of ResumeIncomplete with what is left', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    await say(app, bob, ann, 'shown')
    // Another transaction of the server, which has nothing to do with this, runs for long.
    await client.query('BEGIN')
    await client.query('SELECT pg_current_xact_id()')
    const cursor = await cursorOf(app, ann)
    for (const text of ['swept', 'two', 'three']) await say(app, bob, ann, text)
    await writer.query(
      `WITH gone AS (DELETE FROM events WHERE topic = $1 AND seq <= 2 RETURNING *)
      UPDATE topics SET swept_seq = 2, swept_id = (SELECT max(id) FROM gone), swept_xid = (SELECT xid FROM gone WHERE seq = 2) WHERE name = $1`,
      [`user:${ann.id}`],
    )
    const first = await blocksOf(app, ann, cursor, 3)
    expect(first.map(({ data }) => data.events.message?.content ?? data.events.__typename)).toEqual([
      'ResumeIncomplete',
      'two',
      'three',
    ])
    const again = await blocksOf(app, ann, first[0]?.id ?? '', 2)
    expect(again.map(({ data }) => data.events.message?.content ?? data.events.__typename)).toEqual(['two', 'three'])
    const whole = await SSE.connect(app, ann, await cursorOf(app, ann))
    expect(await whole.settle()).toEqual([])
    expect(whole.isIncomplete()).toBe(false)
  })

  test('of a restored database is incomplete, and goes on', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const cursor = await cursorOf(app, ann)
    await client.query('UPDATE installation SET epoch = gen_random_uuid()')
    await say(app, bob, ann, 'after')
    const stream = await SSE.connect(app, ann, cursor)
    await stream.settle()
    expect(stream.isIncomplete()).toBe(true)
    await say(app, bob, ann, 'live')
    expect(textsOf(await stream.settle())).toEqual(['live'])
    const legacy = await app.ready(ann)
    expect((await legacy.request('resume', { last_message_id: cursor })).data).toMatchObject({ success: true, complete: false })
    const again = await SSE.connect(app, ann, await cursorOf(app, ann))
    expect(await again.settle()).toEqual([])
    expect(again.isIncomplete()).toBe(false)
  })

  test('of another installation is refused', async () => {
    const { ann } = await people(app, 'ann')
    const cursor = await cursorOf(app, ann)
    await client.query("UPDATE installation SET key = decode(md5('another'), 'hex')")
    const { ended } = await app.over(ann).subscribe(EVENTS, { after: cursor })
    expect((await ended)[0]?.extensions.code).toBe('BAD_USER_INPUT')
  })
})

describe.skipIf(skipCluster)('a cursor of one of two nodes', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster(2, { POSITION_CHECK_MS: '500' })
  })
  afterAll(() => cluster.stop())

  test('is good on the other, while both are written to', async () => {
    const [first, second] = cluster.nodes as [TestApp, TestApp]
    const { ann, bob } = await people(first, 'ann', 'bob')
    const { conversation } = await createGroup(first, bob, [ann])
    const texts = Array.from({ length: 40 }, (_, number) => `text ${number}`)
    const sends = texts.map((text, number) => say(number % 2 ? first : second, bob, number % 3 ? ann : conversation, text))
    const query = `query ($id: ID!) { cursor a: conversation(id: $id) { messages { edges { node { content } } } } conversations { edges { node { id messages { edges { node { content } } } } } } }`
    const states = await Promise.all(
      Array.from({ length: 6 }, (_, number) => (number % 2 ? first : second).over(ann).data(query, { id: conversation })),
    )
    await Promise.all(sends)
    for (const [number, { cursor, conversations }] of states.entries()) {
      const shown = conversations.edges.flatMap(({ node }: { node: { messages: { edges: { node: { content: string } }[] } } }) =>
        node.messages.edges.map((edge) => edge.node.content),
      )
      const client = await SSE.connect(number % 2 ? second : first, ann, cursor)
      expect(inOrder([...shown, ...textsOf(await client.settle())])).toEqual(inOrder(texts))
      expect(client.isIncomplete()).toBe(false)
    }
  })
})
