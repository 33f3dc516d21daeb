import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SECRET, tokenOf } from '../support/app.ts'
import { skipCluster } from '../support/cluster.ts'
import { createServerDatabase, dropServerDatabase } from '../support/database.ts'
import { connectGraphqlWs, connectHttp } from '../support/graphql-client.ts'
import { connectLegacy } from '../support/legacy-client.ts'
import { buildPrevious, hasPrevious, PREVIOUS } from '../support/previous-release.ts'
import { randomPrefix, REDIS_URL } from '../support/redis-server.ts'
import { endProcesses, run, start, type RunningServer } from '../support/server-process.ts'

/** It builds the previous release, which takes longer than all other tests together: `npm run test:upgrade`. */
const isAsked = process.env['UPGRADE'] === '1'

const EVENTS =
  'subscription ($after: ID) { events(after: $after) { __typename id ... on MessageSent { message { content } } ... on ResumeIncomplete { id } } }'
const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'
const [ANN, BOB] = [101, 102]
const NAMES = ['legacy', 'graphql'] as const

interface Reader {
  cursor(): string
  /** Takes messages until the one with this text has come. */
  until(text: string): Promise<string[]>
  close(): Promise<void>
}

type Protocol = (typeof NAMES)[number]

const tokenFor = (userId: number): string => tokenOf({ userId, name: `User ${userId}`, isAdmin: false })

async function read(protocol: Protocol, { url }: RunningServer, userId: number, after?: string): Promise<Reader> {
  const socketUrl = url.replace('http', 'ws')
  let cursor = after ?? '0'
  const collect = async (text: string, next: () => Promise<{ id: string; content: string }>): Promise<string[]> => {
    const texts: string[] = []
    while (texts.at(-1) !== text) {
      const { id, content } = await next()
      if (Number(id) > Number(cursor)) cursor = id
      texts.push(content)
    }
    return texts
  }
  if (protocol === 'legacy') {
    const headers = { authorization: `Bearer ${tokenFor(userId)}`, ...(after === undefined ? {} : { 'last-event-id': after }) }
    const client = await connectLegacy(`${socketUrl}/ws/connect`, { headers })
    await client.inbox.next(({ type }) => type === 'connection_established')
    const next = async () => {
      const { message_id: id = '', data } = await client.inbox.next(
        ({ type, data: push }) => type === 'message_sent' && push.success === undefined,
      )
      return { id, content: String(data.content) }
    }
    return { cursor: () => cursor, until: (text) => collect(text, next), close: () => client.close() }
  }
  const client = connectGraphqlWs(`${socketUrl}/graphql`, tokenFor(userId))
  const { inbox } = await client.subscribe(EVENTS, { after: after ?? null })
  const next = async () => {
    const { data } = await inbox.next(({ data: result }) => result?.events.__typename === 'MessageSent')
    return { id: String(data?.events.id), content: String(data?.events.message.content) }
  }
  return { cursor: () => cursor, until: (text) => collect(text, next), close: () => client.close() }
}

async function send(protocol: Protocol, { url }: RunningServer, content: string): Promise<void> {
  if (protocol === 'graphql') {
    await connectHttp(`${url}/graphql`, tokenFor(ANN)).data(SEND, { input: { receiverId: BOB, content } })
    return
  }
  const headers = { authorization: `Bearer ${tokenFor(ANN)}` }
  const client = await connectLegacy(`${url.replace('http', 'ws')}/ws/connect`, { headers })
  expect((await client.request('message_sent', { receiver_id: BOB, content })).code).toBe(200)
  await client.close()
}

describe.skipIf(!isAsked || skipCluster || !hasPrevious)(`version ${PREVIOUS.version} beside this one`, () => {
  let previous: Awaited<ReturnType<typeof buildPrevious>>
  let url: string
  const prefix = randomPrefix()
  let env: Record<string, string>
  beforeAll(async () => {
    previous = await buildPrevious()
    url = await createServerDatabase()
    env = { DATABASE_URL: url, REDIS_URL, REDIS_PREFIX: prefix, JWT_SECRET: SECRET, DEMO: '0', NODE_ENV: 'test' }
  }, 600_000)
  afterAll(async () => {
    endProcesses()
    await dropServerDatabase(url)
    await previous.remove()
    const redis = new Redis(REDIS_URL)
    const keys = await redis.keys(`${prefix}*`)
    if (keys.length > 0) await redis.del(...keys)
    await redis.quit()
  }, 300_000)

  test('both deliver what clients of either send over both protocols, and a restart of the old one loses nothing', async () => {
    const launch = { command: [process.execPath, previous.main] as const }
    const old = await start(env, launch)
    const readers: Reader[] = await Promise.all(NAMES.map((name) => read(name, old, BOB)))
    await send('graphql', old, 'before')
    for (const reader of readers) await reader.until('before')
    // Brings the database to its schema while the old one runs.
    const current = await start(env)
    readers.push(...(await Promise.all(NAMES.map((name) => read(name, current, BOB)))))
    const sent: string[] = []
    for (const [index, node] of [old, current, old, current].entries())
      for (const name of NAMES) {
        const text = `${index} over ${name}`
        await send(name, node, text)
        sent.push(text)
      }
    for (const reader of readers) expect(await reader.until(sent.at(-1) as string)).toEqual(sent)

    // Forward: the clients of the old one come back to this one.
    const cursors = readers.slice(0, 2).map((reader) => reader.cursor())
    old.child.kill('SIGTERM')
    expect(await old.ended).toBe(0)
    await send('legacy', current, 'meanwhile')
    for (const [index, name] of NAMES.entries()) {
      const resumed = await read(name, current, BOB, cursors[index])
      await send(name, current, `last over ${name}`)
      const texts = await resumed.until(`last over ${name}`)
      expect(texts[0]).toBe('meanwhile')
      await resumed.close()
    }

    // What 0.1 sends is not numbered, and not counted as unread.
    const { conversations } = await connectHttp(`${current.url}/graphql`, tokenFor(BOB)).data(
      '{ conversations { edges { node { unreadCount } } } }',
    )
    const counted = Number(conversations.edges[0].node.unreadCount)
    const all = 1 + sent.length + 1 + NAMES.length
    expect(counted).toBe(PREVIOUS.version === '0.1.0' ? all - sent.length / 2 : all)

    // Back: it starts again where this version's migrations let it, and says so where they don't.
    const again = run(env, launch)
    const isUp = new Promise<'up'>((resolve) => {
      again.child.stdout?.on('data', () => {
        if (again.out().includes('Parley is ready')) resolve('up')
      })
    })
    const outcome = await Promise.race([isUp, again.ended])
    if (PREVIOUS.version === '0.1.0') {
      expect(outcome).toBe(1)
      expect(again.err()).toContain("migrations that this version of the server doesn't have")
    } else expect(outcome).toBe('up')
    for (const reader of readers.slice(2)) await reader.close()
    current.child.kill('SIGTERM')
    await current.ended
  }, 300_000)
})
