import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { diagnose } from '../../src/cli/diagnosis.ts'
import { loadSettings } from '../../src/settings.ts'
import { SECRET, startApp, type TestApp, type TestUser } from '../support/app.ts'
import { codeOf, GRAPHQL_WS, LEGACY, textsOf, type ChatClient } from '../support/chat-client.ts'
import { direct, people, say } from '../support/people.ts'
import {
  createPostgresServer,
  makePostgresFolder,
  recoverTo,
  runPostgres,
  skipPostgresServer,
  type PostgresServer,
} from '../support/postgres-server.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const PROTOCOLS = [LEGACY, GRAPHQL_WS]

const isReady = async ({ http }: TestApp): Promise<boolean> => (await fetch(`${http}/ready`)).status === 200

/** Sends one message after the other until it is stopped; keeps what was acknowledged, and the codes of what was refused. */
function writer(client: ChatClient, to: TestUser): { sent: string[]; codes: Set<string>; stop(): Promise<void> } {
  const sent: string[] = []
  const codes = new Set<string>()
  let isOver = false
  const running = (async () => {
    for (let turn = 0; !isOver; turn++) {
      const text = `${client.user.name} ${turn}`
      // Again under the same key until it is stored, as a client with an outbox does.
      for (let code = ''; code !== 'OK' && !isOver;) {
        code = await codeOf(client.send({ to }, text, `${client.user.name}-${turn}`))
        codes.add(code)
        if (code === 'OK') sent.push(text)
      }
    }
  })()
  return {
    sent,
    codes,
    async stop() {
      isOver = true
      await running
    },
  }
}

/** Sends over GraphQL and HTTP, which outlives the sockets. */
const overHttp = (app: TestApp, user: TestUser): ChatClient => {
  const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'
  const client = app.over(user)
  return {
    user,
    async send(target: { to: TestUser }, content: string, clientMessageId: string) {
      const { errors } = await client.run(SEND, { input: { receiverId: target.to.id, content, clientMessageId } })
      if (errors?.[0]) throw new Error(String(errors[0].extensions['code']))
    },
  } as unknown as ChatClient
}

describe.skipIf(skipPostgresServer)('a PostgreSQL that is replaced by another', () => {
  let primary: PostgresServer
  const undo: (() => unknown)[] = []
  /** Where the primary's log is archived. */
  let archive: string
  beforeAll(async () => {
    archive = await makePostgresFolder()
    undo.push(() => rm(archive, { recursive: true, force: true }))
    primary = await createPostgresServer('archive_mode = on', `archive_command = 'cp %p ${archive}/%f'`)
  })
  afterAll(async () => {
    for (const step of undo.splice(0).toReversed()) await step()
    await primary.remove()
  })

  /** A server behind an address that can be led elsewhere, and a replica whose line to the primary can be cut. */
  async function setUp(env: Record<string, string> = {}) {
    const database = await primary.createDatabase()
    const line = new TcpProxy(primary.port)
    const replica = await primary.replica(await line.listen())
    const address = new TcpProxy(primary.port)
    const url = `postgresql://postgres@127.0.0.1:${await address.listen()}/${database}`
    undo.push(
      () => (line.close(), address.close()),
      () => replica.remove(),
    )
    const app = await startApp({ DATABASE_URL: url, DB_ACQUIRE_TIMEOUT_MS: '1000', ...env })
    undo.push(() => app.stop())
    const lsn = async (): Promise<string> => String((await primary.query('SELECT pg_current_wal_lsn() AS at'))[0]?.['at'])
    return {
      app,
      database,
      line,
      replica,
      address,
      /** Resolves when the replica has all that the primary has now. */
      async caughtUp() {
        const at = await lsn()
        await expect.poll(() => replica.query(`SELECT pg_last_wal_replay_lsn() >= '${at}' AS done`)).toEqual([{ done: true }])
      },
    }
  }

  /**
   * What `lose` makes of a database on which a message was kept and others were not; it resolves with the server that goes on. Clients that had
   * what is lost are told so, those that had not are not, and both get what comes then.
   */
  async function loses(app: TestApp, mark: () => Promise<void>, lose: () => Promise<TestApp>): Promise<void> {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const [legacy, modern] = await Promise.all(PROTOCOLS.map((each) => each.connect(app, bob)))
    const first = [legacy, modern] as [ChatClient, ChatClient]
    await say(app, ann, bob, 'kept')
    for (const client of first) expect(textsOf(await client.settle())).toEqual(['kept'])
    const kept = first.map((client) => client.cursor())
    await mark()
    for (const text of ['lost 1', 'lost 2']) await say(app, cat, bob, text)
    const { dan } = await people(app, 'dan')
    for (const client of first) expect(textsOf(await client.settle())).toEqual(['lost 1', 'lost 2'])
    const lost = first.map((client) => client.cursor())
    const snapshot = String((await app.over(bob).data('{ cursor }')).cursor)

    const next = await lose()
    // Users whom it does not know any more come in as new ones.
    const [again, newcomer] = await Promise.all([ann, dan].map((user) => next.ready(user)))
    for (const client of [again, newcomer])
      expect((await client?.request('message_sent', { receiver_id: bob.id, content: 'next' }))?.code).toBe(200)
    for (const [index, transport] of PROTOCOLS.entries()) {
      const whole = await transport.connect(next, bob, kept[index])
      expect(textsOf(await whole.settle()).filter((text) => text !== 'live')).toEqual(['next', 'next'])
      expect(whole.isIncomplete()).toBe(false)
      for (const cursor of [lost[index], snapshot]) {
        const told = await transport.connect(next, bob, cursor)
        await told.settle()
        expect(told.isIncomplete()).toBe(true)
        await say(next, ann, bob, 'live')
        expect(textsOf(await told.settle()).at(-1)).toBe('live')
      }
    }
    const { conversation } = await next
      .over(bob)
      .data(`{ conversation(id: "${direct(ann, bob)}") { messages { edges { node { id content } } } } }`)
    const ids = conversation.messages.edges.map(({ node }: { node: { id: string } }) => Number(node.id))
    expect(new Set(ids).size).toBe(ids.length)
  }

  test('by a replica that lacks the last second tells clients of it, while the server runs', async () => {
    const { app, line, replica, address, caughtUp } = await setUp({ POSITION_CHECK_MS: '600000' })
    const mark = async (): Promise<void> => {
      await caughtUp()
      line.cut()
    }
    await loses(app, mark, async () => {
      await replica.promote()
      address.lead(replica.port)
      // As where the old one has died.
      address.cut()
      address.repair()
      await expect.poll(() => isReady(app)).toBe(true)
      return app
    })
    expect(app.logged.filter(({ msg }) => String(msg).startsWith('the database is another one'))).toHaveLength(1)
  })

  test('by a recovery to a point in time tells clients of what is lost', async () => {
    const database = await primary.createDatabase()
    const app = await startApp({ DATABASE_URL: primary.url(database) })
    const recovered = await primary.copy('-X', 'none')
    undo.push(() => recovered.remove())
    const mark = async (): Promise<void> => void (await primary.query("SELECT pg_create_restore_point('here')"))
    await loses(app, mark, async () => {
      await app.stop()
      await primary.query('SELECT pg_switch_wal()')
      await recoverTo(recovered, archive, "recovery_target_name = 'here'")
      await recovered.start()
      await expect.poll(() => recovered.query('SELECT pg_is_in_recovery() AS recovers')).toEqual([{ recovers: false }])
      const next = await startApp({ DATABASE_URL: recovered.url(database) })
      undo.push(() => next.stop())
      return next
    })
  })

  test('by a dump restored into another cluster tells clients of what is lost, and doctor says so', async () => {
    const database = await primary.createDatabase()
    const app = await startApp({ DATABASE_URL: primary.url(database) })
    const other = await createPostgresServer()
    undo.push(() => other.remove())
    const file = join(archive, 'dump')
    const mark = async (): Promise<void> => void (await runPostgres('pg_dump', '-Fc', '-f', file, primary.url(database)))
    await loses(app, mark, async () => {
      await app.stop()
      const name = await other.createDatabase()
      await runPostgres('pg_restore', '-d', other.url(name), file)
      const settings = loadSettings({ DATABASE_URL: other.url(name), JWT_SECRET: SECRET })
      const history = async (): Promise<string | undefined> => {
        for await (const { area, text } of diagnose(settings, 10)) if (area === 'history') return text
        return undefined
      }
      expect(await history()).toContain('the next start repairs it')
      const next = await startApp({ DATABASE_URL: other.url(name) })
      undo.push(() => next.stop())
      expect(await history()).toBe('the database is where a server looked last, and went back 1 time, and was repaired')
      return next
    })
  })

  test('by a failover answers UNAVAILABLE meanwhile and nothing else, leaves the old server, and is back within 10 s with all that was acknowledged', async () => {
    const { app, database, replica, address, caughtUp } = await setUp()
    const { ann, bob } = await people(app, 'ann', 'bob')
    const receivers = await Promise.all(PROTOCOLS.map((each) => each.connect(app, bob)))
    const legacySender = await app.ready(ann)
    const { sent, codes, stop } = writer(overHttp(app, ann), bob)
    await expect.poll(() => sent.length).toBeGreaterThan(5)

    // Demoted: also sessions that are open take no writes any more.
    await primary.configure('default_transaction_read_only = on')
    await primary.query('SELECT pg_reload_conf()')
    await expect.poll(() => [...codes].toSorted()).toEqual(['Error: UNAVAILABLE', 'OK'])
    expect(await legacySender.request('message_sent', { receiver_id: bob.id, content: 'no' })).toMatchObject({
      type: 'error',
      code: 503,
    })
    expect(await isReady(app)).toBe(false)
    await caughtUp()
    await replica.promote()
    const before = sent.length
    address.lead(replica.port)
    const within = { timeout: 10_000 }
    await expect.poll(() => sent.length, within).toBeGreaterThan(before + 5)
    await expect.poll(() => isReady(app), within).toBe(true)
    const open = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = '${database}'`
    await expect.poll(() => primary.query(open), within).toEqual([{ count: 0 }])
    await stop()
    expect([...codes].toSorted()).toEqual(['Error: UNAVAILABLE', 'OK'])

    // Every connection was ended for its client to resume: what was acknowledged before and after the switch is there, in order.
    expect((await legacySender.closed).code).toBe(1012)
    for (const [index, transport] of PROTOCOLS.entries()) {
      const first = receivers[index] as ChatClient
      const got = textsOf(first.inbox.drain())
      const second = await transport.connect(app, bob, first.cursor())
      got.push(...textsOf(await second.settle()))
      expect(got).toEqual(sent)
      expect(second.isIncomplete()).toBe(false)
    }
  })
})
