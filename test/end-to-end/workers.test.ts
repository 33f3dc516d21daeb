import { createSecretKey } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { signToken } from '../../src/auth/verify.ts'
import { copyServerDatabase, dropServerDatabase, skipServer } from '../support/database.ts'
import { connectLegacy } from '../support/legacy-client.ts'
import { randomPrefix, REDIS_URL, skipRedis } from '../support/redis-server.ts'
import { endProcesses, run, start, type RunningServer } from '../support/server-process.ts'

const SECRET = 'a secret of the tests that is long enough'
const token = (userId: number): string =>
  signToken(createSecretKey(Buffer.from(SECRET)), {
    userId,
    ttlSeconds: 3600,
    issuer: undefined,
    audience: undefined,
    name: `user${userId}`,
  })

describe.skipIf(skipServer || skipRedis)('WORKERS=2', () => {
  let server: RunningServer
  let databaseUrl: string
  beforeAll(async () => {
    databaseUrl = await copyServerDatabase()
    server = await start({
      ...{ DATABASE_URL: databaseUrl, REDIS_URL, REDIS_PREFIX: randomPrefix() },
      ...{ WORKERS: '2', JWT_SECRET: SECRET, DRAIN_MS: '4000', LOG_LEVEL: 'info' },
    })
  })
  afterAll(async () => {
    endProcesses()
    await server.ended
    await dropServerDatabase(databaseUrl)
  })

  const metrics = async (): Promise<string> => await (await fetch(`${server.url}/metrics`)).text()
  const workersIn = (text: string): string[] => [...new Set([...text.matchAll(/worker="(\d+)"/g)].map(([, id]) => id as string))]
  const connectionsOf = (text: string): number[] =>
    [...text.matchAll(/^parley_connections\{[^}]*protocol="legacy"[^}]*\} (\d+)$/gm)].map(([, count]) => Number(count))
  const open = (userId: number) =>
    connectLegacy(`ws://127.0.0.1:${server.port}/ws/connect`, { headers: { authorization: `Bearer ${token(userId)}` } })

  test('one port, one log, and the metrics of all in one answer of any worker', async () => {
    await expect.poll(async () => workersIn(await metrics()).length).toBe(2)
    for (let count = 0; count < 4; count++) expect(workersIn(await metrics())).toHaveLength(2)
    expect((await fetch(`${server.url}/ready`)).status).toBe(200)
  })

  test('metrics that anybody asks for leave nothing in the process that merges them', async () => {
    const ask = async (times: number): Promise<number> => {
      for (let count = 0; count < times; count++) await metrics()
      return await server.heapUsed()
    }
    const before = await ask(20)
    expect((await ask(150)) - before).toBeLessThan(2 ** 20)
    expect(server.err()).not.toContain('MaxListenersExceededWarning')
  })

  test('connections are spread, and messages go from one worker’s clients to the other’s', async () => {
    const clients = await Promise.all(Array.from({ length: 40 }, (_, index) => open(100 + index)))
    onTestFinished(async () => void (await Promise.all(clients.map((client) => client.close()))))
    await expect.poll(async () => connectionsOf(await metrics()).reduce((sum, each) => sum + each, 0)).toBe(40)
    // A worker that is busy takes fewer.
    expect(Math.min(...connectionsOf(await metrics()))).toBeGreaterThanOrEqual(5)
    const [first, ...others] = clients
    for (const [index, other] of others.entries()) {
      first?.send({ type: 'message_sent', message_id: `m${index}`, data: { receiver_id: 101 + index, content: `to ${index}` } })
      const push = await other.inbox.next(({ type, data }) => type === 'message_sent' && 'content' in data)
      expect(push.data.content).toBe(`to ${index}`)
    }
  })

  test('a worker that dies is started again, and its clients come back', async () => {
    const pids = (): number[] =>
      [...server.err().matchAll(/"pid":(\d+),"worker":\d+/g)]
        .map(([, pid]) => Number(pid))
        .filter((pid, index, all) => all.indexOf(pid) === index)
    // A worker logs a line when a token is refused.
    await expect
      .poll(async () => {
        await fetch(`${server.url}/graphql`, {
          method: 'POST',
          headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
          body: '{}',
        })
        return pids().length
      })
      .toBeGreaterThan(0)
    const [pid] = pids()
    process.kill(pid as number, 'SIGKILL')
    await expect.poll(() => server.err()).toContain('a worker has died and is started again')
    // Meanwhile the other one serves: none is sent to a worker that only starts.
    let isWhole = false
    for (let userId = 200; !isWhole; userId++) {
      await (await open(userId)).close()
      isWhole = workersIn(await metrics()).length === 2
    }
  })

  test('SIGTERM drains all of them: sockets are closed with 1012, the process ends with 0', async () => {
    const clients = await Promise.all([open(300), open(301), open(302), open(303)])
    server.child.kill('SIGTERM')
    for (const client of clients) expect(await client.closed).toMatchObject({ code: 1012 })
    expect(await server.ended).toBe(0)
  })
})

test('several workers without a database and Redis that they share are refused by name', async () => {
  const refused = run({ WORKERS: '2', DATA_DIR: 'memory:' })
  expect(await refused.ended).toBe(1)
  expect(refused.err()).toContain('WORKERS: came 2 processes, expected DATABASE_URL and REDIS_URL besides')
})
