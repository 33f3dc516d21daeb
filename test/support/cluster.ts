import { Redis } from 'ioredis'
import pg from 'pg'
import { expect } from 'vitest'
import { startApp, type TestApp } from './app.ts'
import { copyServerDatabase, dropServerDatabase, skipServer } from './database.ts'
import { randomPrefix, REDIS_URL, skipRedis } from './redis-server.ts'

/** Locally the tests of several nodes are skipped where PostgreSQL or Redis is missing; in CI they fail. */
export const skipCluster = skipServer || skipRedis

export interface TestCluster {
  nodes: readonly TestApp[]
  /** An app whose clients connect to any of the nodes. */
  anywhere: TestApp
  /** The settings that make another node one of them. */
  env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** Equal nodes on a PostgreSQL database and a prefix in Redis of their own; `env` are settings by their names. */
export async function startCluster(count: number, env: Record<string, string> = {}): Promise<TestCluster> {
  const url = await copyServerDatabase()
  const prefix = randomPrefix()
  const shared = { DATABASE_URL: url, REDIS_URL, REDIS_PREFIX: prefix, ...env }
  const nodes = await Promise.all(Array.from({ length: count }, () => startApp(shared)))
  let turn = 0
  const next = (): TestApp => nodes[turn++ % nodes.length] as TestApp
  const anywhere: TestApp = {
    ...(nodes[0] as TestApp),
    get graphqlUrl() {
      return next().graphqlUrl
    },
    graphqlUrls: nodes.map(({ graphqlUrl }) => graphqlUrl),
    get legacyUrl() {
      return next().legacyUrl
    },
    legacy: (...options) => next().legacy(...options),
    ready: (...options) => next().ready(...options),
    graphqlWs: (user) => next().graphqlWs(user),
    over: (user) => next().over(user),
    caughtUp,
    stop,
  }

  const database = new pg.Pool({ connectionString: url, max: 2 })
  // Tests end all connections to the database, those that wait here too.
  database.on('error', () => undefined)

  async function caughtUp(userId: number): Promise<void> {
    const { rows } = await database.query<{ name: string; seq: string }>(
      `SELECT name, seq FROM topics WHERE name IN (
        SELECT 'user:' || $1::int UNION SELECT topic FROM past_memberships WHERE user_id = $1
        UNION SELECT 'group:' || g.id FROM members m JOIN groups g USING (conversation_id) WHERE m.user_id = $1)`,
      [userId],
    )
    const [{ admin }] = nodes as [TestApp]
    for (const { name, seq } of rows) {
      const positions = async (): Promise<string[]> => {
        const { topic } = await admin.data('query ($id: ID!) { topic(id: $id) { nodes { position } } }', { id: name })
        return ((topic?.nodes ?? []) as { position: string | null }[]).map(({ position }) => position ?? '0')
      }
      await expect.poll(async () => (await positions()).every((position) => Number(position) >= Number(seq))).toBe(true)
    }
  }

  async function stop(): Promise<void> {
    await database.end()
    await Promise.all(nodes.map((node) => node.stop()))
    await dropServerDatabase(url)
    const redis = new Redis(shared.REDIS_URL)
    const keys = await redis.keys(`${prefix}*`)
    if (keys.length > 0) await redis.del(...keys)
    await redis.quit()
  }

  return { nodes, anywhere, env: shared, stop }
}
