import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, type TestApp, type TestUser } from '../support/app.ts'
import {
  GRAPHQL_WS,
  LEGACY,
  LEGACY_FRAME,
  SSE,
  idsOf,
  textsOf,
  type ChatClient,
  type Happening,
  type Transport,
} from '../support/chat-client.ts'
import { copyServerDatabase, dropServerDatabase, serverQuery, skipServer } from '../support/database.ts'
import { createGroup, notify, people, run, say } from '../support/people.ts'

/** The limit of a resume in the second app. */
const RESUME_LIMIT = 10

let app: TestApp
let limited: TestApp
beforeAll(async () => {
  ;[app, limited] = await Promise.all([startApp(), startApp({ RESUME_LIMIT: String(RESUME_LIMIT), PRESENCE_GRACE_MS: '600000' })])
})
afterAll(() => Promise.all([app.stop(), limited.stop()]))

const RESUMING = [LEGACY, LEGACY_FRAME, GRAPHQL_WS, SSE]

describe.each(RESUMING)('a resume over $name', (transport) => {
  const connect = (user: TestUser, after?: string): Promise<ChatClient> => transport.connect(app, user, after)

  test('gives exactly what was missed, in order, once', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { id, conversation } = await createGroup(app, ann, [bob])
    const [client, witness] = await Promise.all([connect(ann), connect(ann)])
    await say(app, bob, ann, 'before')
    const [[before], seen] = await Promise.all([client.settle(), witness.settle()])
    expect(seen).toEqual([before])
    client.cut()
    await say(app, bob, ann, 'one')
    await say(app, bob, conversation, 'two')
    await run(app, bob, `addReaction(messageId: ${before?.message}, reaction: "👍") { count }`)
    const own = await say(app, ann, bob, 'three')
    await run(app, bob, `markMessageRead(messageId: ${own}) { readAt }`)
    await run(app, ann, `inviteToGroup(groupId: ${id}, userIds: [${cat.id}]) { id }`)
    await run(app, bob, `setTyping(conversationId: "${conversation}", typing: true)`)
    await notify(app, ann, 'four')
    const missed = (await witness.settle()).filter(({ kind }) => kind !== 'typing')
    expect(missed.map(({ kind }) => kind)).toEqual([
      'message_sent',
      'message_sent',
      'reaction_added',
      'message_sent',
      'message_read',
      'member_joined',
      'notification',
    ])
    const resumed = await connect(ann, client.cursor())
    expect(await resumed.settle()).toEqual(missed)
    expect(resumed.isIncomplete()).toBe(false)
    await say(app, bob, ann, 'live')
    expect(await resumed.settle()).toEqual(await witness.settle())

    const unharmed = await connect(ann, resumed.cursor())
    expect(await unharmed.settle()).toEqual([])
    expect(unharmed.isIncomplete()).toBe(false)
  })

  test('after "0" gives all that is kept', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    await say(app, bob, ann, 'one')
    const { conversation } = await createGroup(app, bob, [ann])
    await say(app, bob, conversation, 'two')
    const client = await connect(ann, '0')
    expect((await client.settle()).map(({ kind, text }) => text ?? kind)).toEqual(['one', 'group_updated', 'two'])
    expect(client.isIncomplete()).toBe(false)
  })

  test('gives of a group what happened while the user was in it', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const left = await createGroup(app, bob, [ann, cat])
    const joined = await createGroup(app, bob, [cat])
    const client = await connect(ann, '0')
    await client.settle()
    client.cut()
    await say(app, cat, left.conversation, 'seen')
    await say(app, cat, joined.conversation, 'too early')
    await run(app, bob, `removeGroupMember(groupId: ${left.id}, userId: ${ann.id}) { id }`)
    await run(app, bob, `inviteToGroup(groupId: ${joined.id}, userIds: [${ann.id}]) { id }`)
    await say(app, cat, left.conversation, 'too late')
    await say(app, cat, joined.conversation, 'seen too')
    const resumed = await connect(ann, client.cursor())
    expect((await resumed.settle()).map(({ kind, text }) => text ?? kind)).toEqual([
      'seen',
      'member_left',
      'member_joined',
      'seen too',
    ])
    await say(app, cat, left.conversation, 'gone')
    await say(app, cat, joined.conversation, 'live')
    expect(textsOf(await resumed.settle())).toEqual(['live'])
  })

  test('under continuous sending leaves no gap and repeats nothing', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { conversation } = await createGroup(app, bob, [ann, cat])
    const [witness, b, c] = await Promise.all([SSE.connect(app, ann), LEGACY.connect(app, bob), GRAPHQL_WS.connect(app, cat)])
    let isSending = true
    const keepSending = async (send: (number: number) => Promise<void>): Promise<void> => {
      for (let number = 0; isSending; number++) await send(number)
    }
    let client = await connect(ann)
    const sending = Promise.all([
      keepSending((number) => b.send({ to: ann }, `bob ${number}`)),
      keepSending((number) => b.send({ group: conversation }, `bob ${number}`)),
      keepSending((number) => c.send({ group: conversation }, `cat ${number}`)),
    ])
    const received: Happening[] = []
    for (let cut = 0; cut < 6; cut++) {
      const part = await client.inbox.take(10)
      client.cut()
      part.push(...client.inbox.drain())
      // Live events before the frame was answered stay before its replay, once.
      const inOrder = (happenings: readonly Happening[]): number =>
        idsOf(happenings).filter((id, index, all) => index > 0 && id < (all[index - 1] as number)).length
      const steps = [part.filter(({ group }) => group), part.filter(({ group }) => !group)].map(inOrder)
      for (const back of steps) expect(back).toBeLessThanOrEqual(transport === LEGACY_FRAME ? 1 : 0)
      received.push(...part)
      client = await connect(ann, client.cursor())
      expect(client.isIncomplete()).toBe(false)
    }
    isSending = false
    await sending
    received.push(...(await client.settle()))
    const all = await witness.settle()
    expect(all.length).toBeGreaterThan(60)
    expect(received.toSorted((x, y) => Number(x.id) - Number(y.id))).toEqual(all.toSorted((x, y) => Number(x.id) - Number(y.id)))
  })

  test.each(RESUMING.filter((other) => other !== transport))('goes on where $name was cut', async (other: Transport) => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const client = await other.connect(app, ann)
    await say(app, bob, ann, 'before')
    expect(textsOf(await client.settle())).toEqual(['before'])
    client.cut()
    await say(app, bob, ann, 'missed')
    const resumed = await connect(ann, client.cursor())
    expect(textsOf(await resumed.settle())).toEqual(['missed'])
  })

  test('after an id that the log does not know says so, and goes on live', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    await say(app, bob, ann, 'before')
    for (const after of ['900000000', '9007199254740993', '9999999999999999999']) {
      const client = await connect(ann, after)
      expect(await client.settle()).toEqual([])
      expect(client.isIncomplete()).toBe(true)
      await say(app, bob, ann, after)
      expect(textsOf(await client.settle())).toEqual([after])
    }
  })

  test('of more than RESUME_LIMIT events gives the newest, and says that there were more', async () => {
    const { ann, bob } = await people(limited, 'ann', 'bob')
    const client = await transport.connect(limited, ann)
    await say(limited, bob, ann, 'before')
    await client.settle()
    client.cut()
    const missed = Array.from({ length: RESUME_LIMIT }, (_, number) => `missed ${number}`)
    for (const text of missed) await say(limited, bob, ann, text)
    const resumed = await transport.connect(limited, ann, client.cursor())
    expect(textsOf(await resumed.settle())).toEqual(missed)
    expect(resumed.isIncomplete()).toBe(false)

    await say(limited, bob, ann, 'one more')
    const late = await transport.connect(limited, ann, client.cursor())
    expect(textsOf(await late.settle())).toEqual([...missed.slice(1), 'one more'])
    expect(late.isIncomplete()).toBe(true)
    await say(limited, bob, ann, 'live')
    expect(textsOf(await late.settle())).toEqual(['live'])
  })
})

test('ResumeIncomplete comes before everything else', async () => {
  const { ann, bob } = await people(limited, 'ann', 'bob')
  for (let number = 0; number <= RESUME_LIMIT; number++) await say(limited, bob, ann, String(number))
  const { inbox } = await limited.over(ann).subscribe('subscription { events(after: "0") { __typename id } }')
  expect(await inbox.next()).toEqual({ data: { events: { __typename: 'ResumeIncomplete', id: null } } })
  expect((await inbox.take(RESUME_LIMIT)).map(({ data }) => data.events.__typename)).toEqual(
    Array.from({ length: RESUME_LIMIT }, () => 'MessageSent'),
  )
})

describe('the resume of a legacy connection', () => {
  const REPLAYED = { success: true, replayed: 2, complete: true }

  test('with Last-Event-ID comes right after connection_established, and is answered before any live push', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    await say(app, bob, ann, 'one')
    await say(app, bob, ann, 'two')
    const client = await app.legacy(ann, { headers: { 'last-event-id': '0' } })
    await say(app, bob, ann, 'live')
    await client.inbox.next(({ data }) => data?.content === 'live')
    await client.settle()
    const frames = client.texts.map((text) => JSON.parse(text))
    expect(frames.slice(0, 5)).toMatchObject([
      { type: 'connection_established' },
      { type: 'message_sent', data: { content: 'one' } },
      { type: 'message_sent', data: { content: 'two' } },
      { type: 'resume', code: 200, msg: 'success', data: REPLAYED },
      { type: 'message_sent', data: { content: 'live' } },
    ])
    expect(Object.keys(frames[3])).toEqual(['type', 'code', 'msg', 'data'])
  })

  test('with a frame does not repeat what was pushed on the connection, and is answered in its turn', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    await say(app, bob, ann, 'one')
    await say(app, bob, ann, 'two')
    const client = await app.ready(ann)
    await say(app, bob, ann, 'live')
    expect(await client.settle()).toMatchObject([{ data: { content: 'live' } }])
    const answer = await client.request('resume', { last_message_id: '0' }, 'mine')
    expect(answer).toEqual({ type: 'resume', code: 200, msg: 'success', data: REPLAYED, message_id: 'mine' })
    expect(await client.settle()).toMatchObject([{ data: { content: 'one' } }, { data: { content: 'two' } }])
    expect((await client.request('resume', { last_message_id: '0' })).data).toMatchObject({ replayed: 0, complete: true })
    expect(await client.settle()).toEqual([])
  })
})

test('a user who comes back within the grace was never away', async () => {
  const { ann, bob, cat } = await people(limited, 'ann', 'bob', 'cat')
  await say(limited, ann, bob, 'hi')
  await say(limited, cat, bob, 'hi')
  const watching = await LEGACY.connect(limited, bob)
  const first = await LEGACY.connect(limited, ann)
  expect(await watching.presence.next()).toMatchObject({ user: ann.id, online: true })
  first.cut()
  await GRAPHQL_WS.connect(limited, ann)
  await SSE.connect(limited, cat)
  expect(await watching.presence.next()).toMatchObject({ user: cat.id, online: true })
  expect(watching.presence.waiting).toEqual([])
})

describe.skipIf(skipServer)('an event that can’t be told', () => {
  let url: string
  let server: TestApp
  beforeAll(async () => {
    url = await copyServerDatabase()
    server = await startApp({ DATABASE_URL: url })
  })
  afterAll(async () => {
    await server.stop()
    await dropServerDatabase(url)
  })

  /** The texts of the messages among what a client got. */
  const said = async (client: ChatClient): Promise<unknown[]> =>
    textsOf(await client.settle()).filter((text) => text !== undefined)

  const metric = async (reason: string): Promise<number> => {
    const text = await (await fetch(`${server.http}/metrics`)).text()
    return Number(new RegExp(`^parley_left_out_events_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(text)?.[1])
  }

  test.each(RESUMING)('is left out of a resume over $name where its message is gone, and counted', async (transport) => {
    const { ann, bob } = await people(server, 'ann', 'bob')
    await say(server, bob, ann, 'before')
    const gone = await say(server, bob, ann, 'gone')
    await say(server, bob, ann, 'after')
    await serverQuery(`DELETE FROM messages WHERE id = ${gone}`, url)
    const before = await metric('message_gone')
    const client = await transport.connect(server, ann, '0')
    expect(textsOf(await client.settle())).toEqual(['before', 'after'])
    expect(client.isIncomplete()).toBe(false)
    expect(await metric('message_gone')).toBeGreaterThan(before)
    await say(server, bob, ann, 'live')
    expect(textsOf(await client.settle())).toEqual(['live'])
  })

  test.each(RESUMING)(
    'is left out of a resume over $name where the log has not what its kind needs, and counted',
    async (transport) => {
      const { ann, bob } = await people(server, 'ann', 'bob')
      const group = await createGroup(server, bob, [ann])
      await say(server, bob, group.conversation, 'before')
      const kinds = ['group_updated', 'member_joined', 'member_left', 'reaction_added', 'notification', 'user_updated', 'typing']
      const rows = kinds.flatMap((kind) => ['NULL', "'{}'", "'[]'", `'"x"'`].map((payload) => `('${kind}', ${payload}::jsonb)`))
      await serverQuery(
        `WITH row AS (SELECT kind, payload, row_number() OVER () AS n FROM (VALUES ${rows.join()}) AS v(kind, payload)),
        topic AS (UPDATE topics SET seq = seq + ${rows.length} WHERE name = 'group:${group.id}' RETURNING name, seq - ${rows.length} AS seq)
      INSERT INTO events (topic, seq, kind, payload, xid, snapshot)
      SELECT name, seq + n, kind, payload, pg_current_xact_id()::text::bigint, pg_current_snapshot()::text FROM row, topic`,
        url,
      )
      await say(server, bob, group.conversation, 'after')
      const before = await metric('unreadable')
      const client = await transport.connect(server, ann, '0')
      expect(await said(client)).toEqual(['before', 'after'])
      expect(client.isIncomplete()).toBe(false)
      expect(await metric('unreadable')).toBe(before + rows.length)
      await say(server, bob, group.conversation, 'live')
      expect(await said(client)).toEqual(['live'])
    },
  )

  test('is left out of a legacy session where its execution fails, counted and logged once; the session goes on', async () => {
    const { ann, bob } = await people(server, 'ann', 'bob')
    await say(server, bob, ann, 'before')
    const { id } = await createGroup(server, bob, [ann])
    await run(server, bob, `updateGroup(groupId: ${id}, input: { name: "renamed" }) { id }`)
    await say(server, bob, ann, 'after')
    const broken = `topic = 'group:${id}' AND payload->'group'->>'name' = 'renamed'`
    await serverQuery(
      `UPDATE events SET payload = jsonb_set(payload, '{group,memberCount}', '1099511627776') WHERE ${broken}`,
      url,
    )
    server.logged.length = 0
    const before = await metric('execution_failed')
    const missed = ['before', 'after']
    for (const transport of [LEGACY, LEGACY_FRAME]) {
      const client = await transport.connect(server, ann, '0')
      expect(await said(client)).toEqual(missed)
      await say(server, bob, ann, transport.name)
      missed.push(transport.name)
      expect(await said(client)).toEqual([transport.name])
    }
    expect(await metric('execution_failed')).toBe(before + 2)
    expect(server.logged).toHaveLength(1)
    expect(server.logged[0]).toMatchObject({ stage: 'operation', event: 'group_updated', eventId: expect.any(Number) })
  })
})
