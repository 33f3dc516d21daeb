import { readFile, rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../../src/telemetry/log.ts'
import { SECRET, startApp, tokenOf, type TestApp } from '../support/app.ts'
import { skipCluster, startCluster } from '../support/cluster.ts'
import { copyDatabase } from '../support/database.ts'
import { start } from '../support/server-process.ts'

const EVENTS = 'subscription { events { id ... on MessageSent { message { content } } } }'
const SEND = 'mutation ($id: ID!, $content: String!) { sendMessage(input: { receiverId: $id, content: $content }) { id } }'

const textOf = async ({ http }: TestApp): Promise<string> => await (await fetch(`${http}/metrics`)).text()

/** A sample's value; 0 where there is none. */
function valueIn(text: string, sample: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${sample} `))
  return line === undefined ? 0 : Number(line.slice(sample.length + 1))
}

describe('/metrics', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startApp({ RATE_LIMIT_PER_SECOND: '1', RATE_LIMIT_BURST: '60' })
  })
  afterAll(() => app.stop())

  /** By how much samples grew while something was done. */
  async function growth<S extends string>(samples: readonly S[], act: () => Promise<unknown>): Promise<Record<S, number>> {
    const before = await textOf(app)
    await act()
    const after = await textOf(app)
    return Object.fromEntries(samples.map((each) => [each, valueIn(after, each) - valueIn(before, each)])) as Record<S, number>
  }

  test('counts what a replay left out as durable over every transport', async () => {
    const ann = await app.user()
    const grown = await growth(
      [
        'parley_deliveries_total{protocol="graphql-ws",class="durable"}',
        'parley_deliveries_total{protocol="graphql-ws",class="unkept"}',
        'parley_deliveries_total{protocol="sse",class="durable"}',
        'parley_deliveries_total{protocol="sse",class="unkept"}',
      ],
      async () => {
        for (const client of [app.graphqlWs(ann), app.over(ann)]) {
          const { inbox } = await client.subscribe('subscription { events(after: "999999999999") { __typename } }')
          expect(await inbox.next()).toEqual({ data: { events: { __typename: 'ResumeIncomplete' } } })
        }
      },
    )
    expect(Object.values(grown)).toEqual([1, 0, 1, 0])
  })

  test('counts frames, operations, deliveries by protocol and class, batches and latencies', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    const sender = await app.ready(ann)
    const events = await app.graphqlWs(bob).subscribe(EVENTS)
    const stream = await app.over(bob).subscribe(EVENTS)
    const grown = await growth(
      [
        'parley_frames_total{protocol="legacy",type="message_sent"}',
        'parley_frames_total{protocol="legacy",type="invalid"}',
        'parley_operations_total{type="mutation",result="ok"}',
        'parley_operations_total{type="mutation",result="NOT_FOUND"}',
        'parley_deliveries_total{protocol="legacy",class="durable"}',
        'parley_deliveries_total{protocol="graphql-ws",class="durable"}',
        'parley_deliveries_total{protocol="graphql-ws",class="unkept"}',
        'parley_deliveries_total{protocol="sse",class="durable"}',
        'parley_batch_messages_sum',
        'parley_batch_messages_count',
        'parley_commit_seconds_count',
        'parley_write_seconds_count',
      ],
      async () => {
        await sender.request('message_sent', { receiver_id: bob.id, content: 'one' })
        await sender.request('message_sent', { receiver_id: 2_000_000_000, content: 'to nobody' })
        await sender.request('message_sent', {})
        await sender.request('typing', { session_id: `direct_${ann.id}_${bob.id}`, typing: true })
        await stream.inbox.next()
        await events.inbox.next(({ data }) => data.events.id === null)
        await sender.settle()
      },
    )
    // The statement of the one that was refused counts too.
    expect(Object.values(grown)).toEqual([2, 1, 2, 1, 1, 1, 1, 1, 2, 2, 2, 2])
    events.close()
    stream.close()
  })

  test('counts executions, and what sharing saved', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    const open = await Promise.all(Array.from({ length: 4 }, () => app.graphqlWs(bob).subscribe(EVENTS)))
    const saved = await growth(['parley_executions_total', 'parley_executions_saved_total'], async () => {
      await app.over(ann).data(SEND, { id: String(bob.id), content: 'to four' })
      await Promise.all(open.map(({ inbox }) => inbox.next()))
    })
    expect(saved).toEqual({ parley_executions_total: 1, parley_executions_saved_total: 3 })
    for (const each of open) each.close()
  })

  test('counts resumes, refusals of operations and of the rate limit, and tells what is open', async () => {
    const [ann, bob] = [await app.user(), await app.user()]
    await app.over(ann).data(SEND, { id: String(bob.id), content: 'missed' })
    const grown = await growth(
      [
        'parley_replays_total{complete="true"}',
        'parley_replayed_events_total',
        'parley_operations_total{type="refused",result="BAD_USER_INPUT"}',
        'parley_rate_limited_total',
        'parley_connections{protocol="legacy"}',
        'parley_topics',
      ],
      async () => {
        const back = await app.ready(bob, { headers: { 'last-event-id': '0' } })
        await back.inbox.next(({ type }) => type === 'resume')
        await app.over(ann).run('{ nothing }')
        const spent = await app.ready(await app.user())
        let answer = await spent.request('ping')
        while (answer.code === 200) answer = await spent.request('ping')
        expect(answer.code).toBe(429)
      },
    )
    expect(Object.values(grown)).toEqual([1, 1, 1, 1, 2, 2])
  })

  test.each(['grafana/parley.json', 'alerts.yml'])('has everything that deploy/%s asks for', async (file) => {
    const dashboard = await readFile(new URL(`../../deploy/${file}`, import.meta.url), 'utf8')
    const wanted = new Set(dashboard.match(/\b(?:parley|nodejs|process)_[a-z0-9_]+/g))
    const text = await textOf(app)
    const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
    const missing = [...wanted].filter((name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, '')))
    expect(missing).toEqual([])
    expect(wanted.size).toBeGreaterThan(10)
  })
})

test.skipIf(skipCluster)('pool, Redis and the lag of events from another node are told', async () => {
  const cluster = await startCluster(2)
  const [one, two] = cluster.nodes as [TestApp, TestApp]
  try {
    const [ann, bob] = [await one.user(), await one.user()]
    const reader = await two.ready(bob)
    const before = valueIn(await textOf(two), 'parley_event_lag_seconds_count')
    await one.over(ann).data(SEND, { id: String(bob.id), content: 'across' })
    await reader.inbox.next(({ type }) => type === 'message_sent')
    const text = await textOf(two)
    expect(valueIn(text, 'parley_event_lag_seconds_count') - before).toBe(1)
    expect(valueIn(text, 'parley_redis_up')).toBe(1)
    expect(valueIn(text, 'parley_database_pool{state="total"}')).toBeGreaterThan(0)
  } finally {
    await cluster.stop()
  }
})

test('no token and nothing that was said gets into the log, at its most talkative', async () => {
  const folder = await copyDatabase()
  const server = await start({ DATA_DIR: folder, JWT_SECRET: SECRET, DEMO: '0', LOG_LEVEL: 'trace' })
  const { port } = server
  const { connectLegacy } = await import('../support/legacy-client.ts')
  const token = tokenOf({ userId: 7, name: 'Ann' })
  const url = `ws://127.0.0.1:${port}/ws/connect`
  const client = await connectLegacy(url, { headers: { authorization: `Bearer ${token}` } })
  await client.request('message_sent', { receiver_id: 8, content: 'what was said' })
  await client.request('auth', { token: `${token}x` })
  await connectLegacy(url, { protocols: ['bearer', `${token}y`] }).catch(() => undefined)
  await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ user(id: "what was said") { id } }' }),
  })
  await client.close()
  await expect.poll(() => server.err()).toContain('a connection closed')
  server.child.kill('SIGTERM')
  await server.ended
  await rm(folder, { recursive: true })
  expect(server.err()).toMatch(/"connectionId":"[0-9a-f-]{36}","userId":7,"protocol":"legacy","msg":"a connection opened"/)
  expect(server.out() + server.err()).not.toMatch(/what was said|eyJ/)
})

test('of an error the log tells type, text, stack and code, without what the database adds of the row, and without a token in it', () => {
  const lines: string[] = []
  const log = createLog('info', { write: (line) => void lines.push(line) })
  const row = { detail: 'Failing row contains (1, what was said)', where: 'what was said', meta: { row: ['what was said'] } }
  const cause = Object.assign(new Error('violates a constraint'), row)
  const err = Object.assign(new Error(`refused ${tokenOf({ userId: 7 })}`, { cause }), { code: '23514', ...row })
  log.error({ err }, 'failed')
  expect(JSON.parse(lines[0] as string).err).toEqual({
    type: 'Error',
    message: 'refused [token]: violates a constraint',
    stack: expect.stringMatching(/^Error: refused \[token\]\n[^]*caused by: Error: violates a constraint/) as string,
    code: '23514',
  })
  expect(lines[0]).not.toContain('what was said')
  log.error({ err: 'no error' }, 'failed')
  expect(JSON.parse(lines[1] as string).err).toBe('no error')
})
