import { Redis } from 'ioredis'
import { startApp, type TestApp } from './app.ts'
import { createServerDatabase, dropServerDatabase, skipServer } from './database.ts'
import { randomPrefix, REDIS_URL, skipRedis } from './redis-server.ts'

/** Locally the tests of several nodes are skipped where PostgreSQL or Redis is missing; in CI they fail. */
export const skipCluster = skipServer || skipRedis

export interface TestCluster {
  nodes: readonly TestApp[]
  /** One app to its clients, each of whom is on any of the nodes. */
  anywhere: TestApp
  /** The settings that make another node one of them. */
  env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** Equal nodes on a PostgreSQL database and a prefix in Redis of their own; `env` are settings by their names. */
export async function startCluster(count: number, env: Record<string, string> = {}): Promise<TestCluster> {
  const url = await createServerDatabase()
  const prefix = randomPrefix()
  const shared = { DATABASE_URL: url, REDIS_URL, REDIS_PREFIX: prefix, ...env }
  // At the same time: one of them makes the tables, the others wait.
  const nodes = await Promise.all(Array.from({ length: count }, () => startApp(shared)))
  let turn = 0
  const next = (): TestApp => nodes[turn++ % nodes.length] as TestApp
  const anywhere: TestApp = {
    ...(nodes[0] as TestApp),
    get graphqlUrl() {
      return next().graphqlUrl
    },
    get legacyUrl() {
      return next().legacyUrl
    },
    legacy: (...options) => next().legacy(...options),
    ready: (...options) => next().ready(...options),
    graphqlWs: (user) => next().graphqlWs(user),
    over: (user) => next().over(user),
    stop,
  }

  async function stop(): Promise<void> {
    await Promise.all(nodes.map((node) => node.stop()))
    await dropServerDatabase(url)
    const redis = new Redis(shared.REDIS_URL)
    const keys = await redis.keys(`${prefix}*`)
    if (keys.length > 0) await redis.del(...keys)
    await redis.quit()
  }

  return { nodes, anywhere, env: shared, stop }
}
