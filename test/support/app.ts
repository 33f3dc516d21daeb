import { createSecretKey } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, describe } from 'vitest'
import { createApp, type App } from '../../src/app.ts'
import { signToken, type TokenClaims } from '../../src/auth/verify.ts'
import { loadSettings } from '../../src/settings.ts'
import { copyDatabase, copyServerDatabase, dropServerDatabase, skipServer } from './database.ts'
import { connectGraphqlWs, connectHttp, type GraphqlClient } from './graphql-client.ts'
import { connectLegacy, type ConnectOptions, type LegacyClient } from './legacy-client.ts'

export const SECRET = 'a secret of tests, long enough for HS256'

export interface TestUser {
  id: number
  name: string
  isAdmin?: boolean
}

/** A token of a test user; valid for 1 hour by default. */
export function tokenOf(user: Pick<TokenClaims, 'userId'> & Partial<TokenClaims>): string {
  return signToken(createSecretKey(Buffer.from(SECRET)), { ttlSeconds: 3600, ...user })
}

export interface TestApp {
  port: number
  /** Where METRICS_PORT is set. */
  metricsPort: number | undefined
  http: string
  graphqlUrl: string
  /** Of several nodes: each node's. */
  graphqlUrls?: readonly string[]
  legacyUrl: string
  /** A new user, stored, whom no other test knows. */
  user(name?: string): Promise<TestUser>
  legacy(user: TestUser, options?: ConnectOptions): Promise<LegacyClient>
  /** With `connection_established` taken. */
  ready(user: TestUser, options?: ConnectOptions): Promise<LegacyClient>
  graphqlWs(user: TestUser): GraphqlClient & { client: ReturnType<typeof connectGraphqlWs>['client'] }
  over(user: TestUser): GraphqlClient
  /** As the administrator. */
  admin: GraphqlClient
  /** Of several nodes: resolves when each that listens for the user has delivered all that is in the log. */
  caughtUp?(userId: number): Promise<void>
  /** What was logged, as objects. */
  logged: Record<string, unknown>[]
  stop(): Promise<void>
}

let lastUserId = 1000

interface Server {
  port: number
  metricsPort: number | undefined
  logged: Record<string, unknown>[]
  stop(): Promise<void>
}

async function startServer(env: Record<string, string>): Promise<Server> {
  const folder = env['DATA_DIR'] === undefined && env['DATABASE_URL'] === undefined ? await copyDatabase() : undefined
  const logged: Record<string, unknown>[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) })
  const settings = loadSettings({
    PORT: '0',
    DATA_DIR: folder ?? 'memory:',
    JWT_SECRET: SECRET,
    DEMO: '0',
    RATE_LIMIT_PER_SECOND: '0',
    PRESENCE_GRACE_MS: '0',
    JWT_LEEWAY_SECONDS: '0',
    // A busy machine is no reason to refuse what a test does.
    DB_ACQUIRE_TIMEOUT_MS: '30000',
    DB_STATEMENT_TIMEOUT_MS: '30000',
    ...env,
  })
  let app: App | undefined = createApp(settings, log)
  const { port, metricsPort } = await app.start()
  return {
    port,
    metricsPort,
    logged,
    async stop() {
      await app?.stop()
      // Variables of a file's tests stay until the run ends, and so would all that a server consists of.
      app = undefined
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

/**
 * A server of the test's own on a free port with an embedded database of its own, limits of requests switched off,
 * presence without grace and clocks that agree; `env` are settings by their names.
 */
export async function startApp(env: Record<string, string> = {}): Promise<TestApp> {
  const server = await startServer(env)
  return testAppOn(server, { logged: () => server.logged, stop: () => server.stop() })
}

let shared: Promise<Server> | undefined

/**
 * Such a server without further settings, which the files of a worker share and which ends with the worker: for tests that look at
 * their own users alone.
 */
export async function sharedApp(): Promise<TestApp> {
  const server = await (shared ??= startServer({}))
  const before = server.logged.length
  return testAppOn(server, { logged: () => server.logged.slice(before), stop: () => Promise.resolve() })
}

function testAppOn(
  { port, metricsPort }: Server,
  { logged, stop }: { logged: () => Record<string, unknown>[]; stop: () => Promise<void> },
): TestApp {
  const http = `http://127.0.0.1:${port}`
  const graphqlUrl = `${http}/graphql`
  const legacyUrl = `ws://127.0.0.1:${port}/ws/connect`
  const socketUrl = `ws://127.0.0.1:${port}/graphql`
  const open: { close(): Promise<void> }[] = []
  const kept = <T extends { close(): Promise<void> }>(client: T): T => {
    open.push(client)
    return client
  }
  const tokenFor = ({ id, name, isAdmin = false }: TestUser): string => tokenOf({ userId: id, name, isAdmin })
  const admin = connectHttp(graphqlUrl, tokenOf({ userId: 999, name: 'Admin', isAdmin: true }))

  const test: TestApp = {
    port,
    metricsPort,
    http,
    graphqlUrl,
    legacyUrl,
    get logged() {
      return logged()
    },
    admin,
    async user(name) {
      const id = ++lastUserId
      const user = { id, name: name ?? `User ${id}` }
      await admin.data('mutation ($id: ID!, $name: String!) { upsertUser(id: $id, name: $name) { id } }', user)
      return user
    },
    legacy: async (user, options = {}) =>
      kept(
        await connectLegacy(legacyUrl, {
          ...options,
          headers: { authorization: `Bearer ${tokenFor(user)}`, ...options.headers },
        }),
      ),
    async ready(user, options) {
      const client = await test.legacy(user, options)
      await client.inbox.next(({ type }) => type === 'connection_established')
      return client
    },
    graphqlWs: (user) => kept(connectGraphqlWs(socketUrl, tokenFor(user))),
    over: (user) => kept(connectHttp(graphqlUrl, tokenFor(user))),
    async stop() {
      for (const client of open.splice(0)) await client.close()
      await stop()
    },
  }
  return test
}

/** Runs a suite on each engine, with a server that is handed to `assign` before the tests. */
export function describeApps(assign: (app: TestApp) => void, suite: () => void): void {
  const engines = [
    { name: 'the embedded database', isSkipped: false, createUrl: () => Promise.resolve(undefined) },
    { name: 'PostgreSQL', isSkipped: skipServer, createUrl: () => copyServerDatabase() },
  ]
  for (const { name, isSkipped, createUrl } of engines) {
    describe.skipIf(isSkipped)(`${name}`, () => {
      let app: TestApp
      let url: string | undefined
      beforeAll(async () => {
        url = await createUrl()
        app = await startApp(url === undefined ? {} : { DATABASE_URL: url })
        assign(app)
      })
      afterAll(async () => {
        await app.stop()
        if (url !== undefined) await dropServerDatabase(url)
      })
      suite()
    })
  }
}
