import pg from 'pg'
import type { Attempt, DatabaseTarget } from './url.ts'

/** SQLSTATEs of a server that is read-only or shutting down: its connections are useless from then on. */
const LEFT = /^(25006|57P0[1-5])$/

type Connected = ((error: Error) => void) | ((error: null, client: pg.Client) => void)

/** Members of a client that the driver does not declare. */
export interface Wire {
  ssl: Attempt['ssl']
  connection: NodeJS.EventEmitter & {
    ssl: Attempt['ssl']
    stream: { cork(): void; uncork(): void; destroy(error: Error): void }
  }
}

/** Clients that connect to the first suitable server. A single server needs only the driver's own. */
export function createClientClass(target: DatabaseTarget, timeoutMs: number): typeof pg.Client {
  const { attempts, needsPrimary, needsChannelBinding, config } = target
  if (attempts.length === 1 && !needsPrimary && !needsChannelBinding) return pg.Client
  const connectionTimeoutMillis = Math.max(100, Math.floor(timeoutMs / attempts.length))

  /** Tries them in order; rejects with the error of the last. */
  async function find(): Promise<Attempt> {
    let failure: unknown
    for (const attempt of attempts) {
      const probe = new pg.Client({ ...config, ...attempt, connectionTimeoutMillis })
      probe.on('error', () => undefined)
      if (needsChannelBinding) refuseOtherPasswords(probe)
      try {
        await probe.connect()
        if (!needsPrimary) return attempt
        const { rows } = await probe.query<{ isReadOnly: boolean }>(`SELECT ${IS_READ_ONLY} AS "isReadOnly"`)
        if (rows[0]?.isReadOnly === false) return attempt
        failure = new Error(`${attempt.host}:${attempt.port} takes no writes`)
      } catch (error) {
        failure = error
      } finally {
        void probe.end().catch(() => undefined)
      }
    }
    throw failure
  }

  let finding: Promise<Attempt> | undefined

  return class extends pg.Client {
    override connect(): Promise<pg.Client>
    override connect(onConnected: Connected): void
    override connect(onConnected?: Connected): Promise<pg.Client> | void {
      const connecting = this.#connect()
      if (!onConnected) return connecting
      connecting.then(() => (onConnected as () => void)(), onConnected as (error: Error) => void)
    }

    async #connect(): Promise<pg.Client> {
      // Clients that connect at the same time share the result.
      const { host, port, ssl } = await (finding ??= find().finally(() => (finding = undefined)))
      const wire = this as unknown as Wire
      this.host = host
      this.port = port
      wire.ssl = ssl
      wire.connection.ssl = ssl
      if (needsChannelBinding) refuseOtherPasswords(this)
      return await super.connect()
    }
  }
}

/** Whether a session is read-only: on a replica, or by configuration. */
export const IS_READ_ONLY = "current_setting('transaction_read_only')::boolean"

/** Ends a connection on which the server asks for a password, or for none, in a way that is not bound to the TLS connection. */
function refuseOtherPasswords(client: pg.Client): void {
  const { connection } = client as unknown as Wire
  let isBound = false
  const refuse = (): void => connection.stream.destroy(new Error('the server does not bind the password to the connection'))
  connection.prependListener('authenticationSASL', ({ mechanisms }: { mechanisms: string[] }) => {
    isBound = mechanisms.includes('SCRAM-SHA-256-PLUS')
    if (!isBound) refuse()
  })
  for (const event of ['authenticationCleartextPassword', 'authenticationMD5Password']) connection.prependListener(event, refuse)
  connection.prependListener('authenticationOk', () => {
    if (!isBound) refuse()
  })
}

/** A pool that drops all its connections as soon as one of them reports that the server is read-only or shutting down. */
export function createPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config)
  const all = new Set<pg.PoolClient>()
  const useless = new WeakSet<pg.PoolClient>()
  const giveUp = (client: pg.PoolClient): void => {
    if (useless.has(client)) return
    for (const each of all) useless.add(each)
    // Connections in use are closed when they are released.
    for (let idle = pool.idleCount; idle > 0; idle--) {
      pool.connect().then(
        (each) => each.release(useless.has(each)),
        () => undefined,
      )
    }
  }
  pool.on('connect', (client) => {
    all.add(client)
    // The pool listens to idle connections alone, and between two statements of a transaction nobody else does: an error that
    // nobody listens to would end the process. The next statement is refused.
    client.on('error', () => undefined)
    const { connection } = client as unknown as Wire
    connection.on('errorMessage', ({ code }: { code?: string }) => {
      if (code !== undefined && LEFT.test(code)) giveUp(client)
    })
  })
  pool.on('release', (_error, client) => {
    if (useless.has(client)) void client.end()
  })
  pool.on('remove', (client) => all.delete(client))
  // A server that restarts ends idle connections; without a listener each would end the process.
  pool.on('error', () => undefined)
  return pool
}
