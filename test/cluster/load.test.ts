import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestApp, TestUser } from '../support/app.ts'
import { GRAPHQL_WS, idsOf, LEGACY, textsOf, type ChatClient, type Happening } from '../support/chat-client.ts'
import { skipCluster, startCluster, type TestCluster } from '../support/cluster.ts'
import { createGroup, direct, type TestGroup } from '../support/people.ts'
import { createRedisServer, skipRedisServer, type RedisServer } from '../support/redis-server.ts'

const CLIENTS = 200
const GROUP_SIZE = 10
const ROUNDS = 12

const sorted = (texts: readonly unknown[]): string[] => texts.map(String).toSorted((a, b) => (a < b ? -1 : 1))

describe.skipIf(skipCluster || skipRedisServer)('while the connections over which nodes hear of each other are killed', () => {
  let redis: RedisServer
  let cluster: TestCluster
  beforeAll(async () => {
    redis = await createRedisServer()
    await redis.start()
    cluster = await startCluster(2, { REDIS_URL: redis.url, RATE_LIMIT_PER_SECOND: '0' })
  })
  afterAll(async () => {
    await cluster.stop()
    await redis.close()
  })

  /** Kills them every second until stopped; returns how often there were some to kill. */
  async function kill(): Promise<() => Promise<number>> {
    const commands = new Redis(redis.url)
    let kills = 0
    const once = async (): Promise<void> => {
      if (Number(await commands.client('KILL', 'TYPE', 'pubsub')) > 0) kills++
    }
    await once()
    const timer = setInterval(() => void once(), 1000)
    return async () => {
      clearInterval(timer)
      await commands.quit()
      return kills
    }
  }

  test(`each acknowledged message of ${CLIENTS} clients on two nodes reaches every member once and in order`, async () => {
    const app = cluster.anywhere
    const users = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => app.user(`user ${index}`)))
    const at = (index: number): TestUser => users[(index + CLIENTS) % CLIENTS] as TestUser
    const groups: TestGroup[] = []
    for (let first = 0; first < CLIENTS; first += GROUP_SIZE) {
      groups.push(await createGroup(app, at(first), users.slice(first + 1, first + GROUP_SIZE)))
    }
    const clients: ChatClient[] = []
    for (const [index, user] of users.entries()) {
      const node = cluster.nodes[Math.floor(Math.random() * 2)] as TestApp
      clients.push(await (index % 4 === 0 ? GRAPHQL_WS : LEGACY).connect(node, user))
    }

    const stop = await kill()
    /** What each of the users must receive, by the texts of the messages. */
    const expected = new Map<number, string[]>(users.map(({ id }) => [id, []]))
    await Promise.all(
      clients.map(async (client, index) => {
        const mine = Math.floor(index / GROUP_SIZE)
        for (let round = 0; round < ROUNDS; round++) {
          const text = `${index} ${round}`
          const toGroup = round % 2 === 0
          const partner = at(index + 1)
          await client.send(toGroup ? { group: (groups[mine] as TestGroup).conversation } : { to: partner }, text)
          const members = toGroup ? users.slice(mine * GROUP_SIZE, (mine + 1) * GROUP_SIZE) : [client.user, partner]
          for (const { id } of members) expected.get(id)?.push(text)
          // So that the writing lasts several kills.
          await new Promise((resolve) => setTimeout(resolve, 300 * Math.random()))
        }
      }),
    )
    const kills = await stop()

    for (const [index, { user, inbox }] of clients.entries()) {
      const wanted = expected.get(user.id) as string[]
      const got: Happening[] = []
      while (got.length < wanted.length) got.push(await inbox.next(({ kind }) => kind === 'message_sent'))
      expect(sorted(textsOf(got)), `client ${index}`).toEqual(sorted(wanted))
      for (const conversation of [
        direct(user, at(index + 1)),
        direct(user, at(index - 1)),
        groups[Math.floor(index / GROUP_SIZE)]?.conversation,
      ]) {
        const ids = idsOf(got.filter((one) => one.conversation === conversation))
        expect(ids, `client ${index}, ${conversation}`).toEqual(ids.toSorted((a, b) => a - b))
      }
    }
    // Whatever would come a second time has come when something later has.
    for (const client of clients.slice(0, 20)) {
      expect((await client.settle()).filter(({ kind }) => kind === 'message_sent')).toEqual([])
    }
    expect(kills).toBeGreaterThan(1)
  })
})
