import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { end, freePort, launch, makeFolder, removeFolder, runToEnd, sleep, until } from './processes.js'

const HOST = '127.0.0.1'

/** A Redis of the bench's own, which keeps nothing on disk: whenever it starts, it is empty. */
export class OwnRedis {
  #folder = makeFolder()
  #port
  #process

  static async start() {
    const redis = new OwnRedis()
    redis.#port = await freePort()
    await redis.start()
    return redis
  }

  /** A replica of this one, which has all of it. */
  async replica() {
    const replica = await OwnRedis.start()
    await replica.#command('REPLICAOF', HOST, this.#port)
    await until('the replica of Redis is there', async () =>
      /master_link_status:up/.test(await replica.#command('INFO', 'replication')),
    )
    return replica
  }

  /** Makes a replica the primary, and `old` its replica, as Sentinel does, though without ending connections. */
  async takeOver(old) {
    await this.#command('REPLICAOF', 'NO', 'ONE')
    await old.#command('REPLICAOF', HOST, this.#port)
  }

  get port() {
    return this.#port
  }

  get url() {
    return `redis://${HOST}:${this.#port}`
  }

  async start() {
    const args = ['--port', this.#port, '--bind', HOST, '--dir', this.#folder, '--save', '', '--appendonly', 'no']
    this.#process = launch('redis-server', args.map(String))
    await started(this.#process, 'redis-server')
    await until('Redis answers', () => this.#command('PING').catch(() => false))
  }

  stop() {
    return end(this.#process)
  }

  /** How many commands it has executed so far, for all clients. */
  async commandCount() {
    const info = await this.#command('INFO', 'commandstats')
    const calls = [...info.matchAll(/^cmdstat_(?!info)[^:]+:calls=(\d+)/gm)]
    return calls.reduce((sum, [, count]) => sum + Number(count), 0)
  }

  /** Closes the connections of this type, `pubsub` or `normal`. */
  async killConnections(type) {
    await this.#command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
  }

  async remove() {
    await this.stop()
    removeFolder(this.#folder)
  }

  /** @returns {Promise<any>} */
  async #command(name, ...args) {
    const connection = new Redis(this.url, { lazyConnect: true, retryStrategy: () => null })
    connection.on('error', () => undefined)
    try {
      await connection.connect()
      return await connection.call(name, ...args)
    } finally {
      connection.disconnect()
    }
  }
}

/** A PostgreSQL of the bench's own, with its usual settings. */
export class OwnPostgres {
  #folder = makeFolder()
  #port
  #process
  #databases = 0
  #settings = {}

  /** With its usual settings, but for those given here. */
  static async start(own = {}) {
    const postgres = new OwnPostgres()
    postgres.#settings = own
    postgres.#port = await freePort()
    const identity = unprivileged()
    if (identity.uid !== undefined) chownSync(postgres.#folder, identity.uid, identity.gid)
    const args = ['-D', postgres.#data, '-U', 'postgres', '--auth', 'trust', '--encoding', 'UTF8', '--no-locale']
    await runToEnd(postgresBinary('initdb'), args, { cwd: postgres.#folder, ...identity })
    await postgres.start()
    return postgres
  }

  get #data() {
    return join(this.#folder, 'data')
  }

  async start() {
    const settings = { ...this.#settings, listen_addresses: HOST, port: this.#port, unix_socket_directories: '' }
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const options = { cwd: this.#folder, ...unprivileged() }
    this.#process = launch(postgresBinary('postgres'), ['-D', this.#data, ...args], options)
    await started(this.#process, 'postgres')
    await until('PostgreSQL answers', () =>
      this.#query('SELECT 1').then(
        () => true,
        () => false,
      ),
    )
  }

  get pid() {
    return this.#process.pid
  }

  get port() {
    return this.#port
  }

  /** A replica of this one, which streams its log. */
  async replica() {
    const replica = new OwnPostgres()
    replica.#port = await freePort()
    const identity = unprivileged()
    if (identity.uid !== undefined) chownSync(replica.#folder, identity.uid, identity.gid)
    const args = ['-d', this.#url('postgres'), '-D', replica.#data, '-c', 'fast', '-R']
    await runToEnd(postgresBinary('pg_basebackup'), args, { cwd: replica.#folder, ...identity })
    await replica.start()
    return replica
  }

  /** Makes a replica the primary, with all that `old` has written, which takes no writes any more. */
  async takeOver(old) {
    await this.#promote(await old.#demote())
  }

  /** Takes no writes any more, in open sessions neither; resolves with where its log ends. */
  async #demote() {
    await this.#query('ALTER SYSTEM SET default_transaction_read_only = on')
    await this.#query('SELECT pg_reload_conf()')
    // What began to write before it heard of that ends.
    await sleep(500)
    const { rows } = await this.#query('SELECT pg_current_wal_flush_lsn()::text AS end')
    return rows[0].end
  }

  /** A replica that has the log up to there takes writes from now on. */
  async #promote(end) {
    const hasAll = async () => (await this.#query(`SELECT pg_last_wal_replay_lsn() >= '${end}' AS has`)).rows[0].has
    await until('the replica of PostgreSQL has all', hasAll)
    await this.#query('SELECT pg_promote()')
  }

  /** Breaks all connections and stops, as a restart of the service does. */
  stop() {
    return end(this.#process, 'SIGINT')
  }

  /** Creates a database, empty or a copy of the one with the URL `template`, which nobody may be connected to; gives its URL. */
  async createDatabase(template) {
    const name = `bench_${++this.#databases}`
    await this.#query(`CREATE DATABASE ${name}${template ? ` TEMPLATE ${databaseOf(template)}` : ''}`)
    return this.#url(name)
  }

  /** Counts the statements of connections to a database that are opened from now on. Resolves with a function that returns the count so far. */
  async countStatements(url) {
    await this.#query(`ALTER DATABASE ${databaseOf(url)} SET log_statement = 'all'`)
    let count = 0
    this.#process.stderr.setEncoding('utf8').on('data', (chunk) => {
      count += chunk.match(/^.* LOG:  (statement|execute [^:]*): /gm)?.length ?? 0
    })
    return () => count
  }

  async dropDatabase(url) {
    await this.#query(`DROP DATABASE ${databaseOf(url)} WITH (FORCE)`)
  }

  async remove() {
    await this.stop()
    removeFolder(this.#folder)
  }

  #url(database) {
    return `postgresql://postgres@${HOST}:${this.#port}/${database}`
  }

  #query(sql) {
    return query(this.#url('postgres'), sql)
  }
}

const databaseOf = (url) => new URL(url).pathname.slice(1)

/** Runs a statement on a connection of its own. */
export async function query(databaseUrl, sql) {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 2000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await client.query(sql)
  } finally {
    await client.end()
  }
}

/** Rejects where the program could not be started at all. */
async function started(child, name) {
  await Promise.race([
    once(child, 'spawn'),
    once(child, 'error').then(([error]) => {
      throw new Error(`${name} could not be started: ${error.message}`)
    }),
  ])
}

/** PostgreSQL refuses to run as root: then it runs as the user made for it, or as nobody. */
function unprivileged() {
  if (process.getuid?.() !== 0) return {}
  for (const user of ['postgres', 'nobody']) {
    try {
      const id = (flag) => Number(execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      continue
    }
  }
  throw new Error('run the bench as another user than root, or create a user called postgres: PostgreSQL refuses to run as root')
}

/** The newest installed one where distributions put them, else the one on the PATH. */
function postgresBinary(name) {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  return versions.map((version) => join(root, version, 'bin', name)).find((path) => existsSync(path)) ?? name
}
