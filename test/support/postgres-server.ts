import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, existsSync, readdirSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { vi } from 'vitest'
import { freePort } from './redis-server.ts'

const execute = promisify(execFile)

/** The newest installation where distributions put it, else what is on the PATH. */
function binary(name: string): string {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).toSorted((a, b) => Number(b) - Number(a)) : []
  return versions.map((version) => join(root, version, 'bin', name)).find((path) => existsSync(path)) ?? name
}

const isThere = (name: string): boolean => {
  try {
    execFileSync(binary(name), ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** PostgreSQL refuses to run as root: then it runs as the user that its package made. */
function identity(): { uid?: number; gid?: number } | undefined {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }))
  try {
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}

const IDENTITY = identity()
/** Tests that make a PostgreSQL of their own are skipped where its server binaries, or a user to run them, are missing. */
export const skipPostgresServer = !isThere('initdb') || IDENTITY === undefined

/** Runs one of PostgreSQL's programs as the user that owns the servers; resolves with its output. */
export async function runPostgres(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(binary(program), args, { cwd: tmpdir(), maxBuffer: 2 ** 26, ...IDENTITY })
  return stdout
}

/** A folder that PostgreSQL may write to. */
export async function makePostgresFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-postgres-'))
  if (IDENTITY?.uid !== undefined) chownSync(folder, IDENTITY.uid, IDENTITY.gid as number)
  return folder
}

/** A PostgreSQL server of the test's own, listening on 127.0.0.1. */
export interface PostgresServer {
  port: number
  /** Its data directory. */
  data: string
  url(database?: string): string
  query(sql: string, database?: string): Promise<Record<string, unknown>[]>
  /** Creates an empty database of a random name; resolves with the name. */
  createDatabase(): Promise<string>
  /** Adds lines to postgresql.auto.conf, for the next start. */
  configure(...lines: string[]): Promise<void>
  start(): Promise<void>
  /** Breaks all connections and stops. */
  stop(): Promise<void>
  kill(): Promise<void>
  /** Makes a replica writable; resolves when it is. */
  promote(): Promise<void>
  /** A copy of the data directory made by pg_basebackup, as a server that is not started yet. `args` are more of its options. */
  copy(...args: string[]): Promise<PostgresServer>
  /** A started streaming replica of this one, which it reaches over `port` (its own unless told). */
  replica(port?: number): Promise<PostgresServer>
  /** Kills it and removes its folder. */
  remove(): Promise<void>
}

/** Without durability, which no test here takes the power from. */
const SETTINGS = [
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  'fsync = off',
  'shared_buffers = 16MB',
  'max_connections = 60',
  'wal_level = replica',
  'max_wal_size = 128MB',
  'autovacuum = off',
]

/** A started server with an empty cluster, made by initdb; `lines` are settings besides. */
export async function createPostgresServer(...lines: string[]): Promise<PostgresServer> {
  const folder = await makePostgresFolder()
  const data = join(folder, 'data')
  await runPostgres('initdb', '-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--no-locale', '--no-sync')
  const server = await serverOf(folder)
  await server.configure(...SETTINGS, ...lines)
  await server.start()
  return server
}

async function serverOf(folder: string): Promise<PostgresServer> {
  const data = join(folder, 'data')
  const port = await freePort()
  let child: ChildProcess | undefined

  async function end(signal: NodeJS.Signals): Promise<void> {
    const running = child
    child = undefined
    if (!running || running.exitCode !== null) return
    const exited = once(running, 'exit')
    running.kill(signal)
    await exited
  }

  const server: PostgresServer = {
    port,
    data,
    url: (database = 'postgres') => `postgresql://postgres@127.0.0.1:${port}/${database}`,
    async query(sql, database) {
      const client = new pg.Client({ connectionString: server.url(database), connectionTimeoutMillis: 30_000 })
      client.on('error', () => undefined)
      await client.connect()
      try {
        return (await client.query(sql)).rows as Record<string, unknown>[]
      } finally {
        await client.end()
      }
    },
    async createDatabase() {
      const name = `parley_test_${randomBytes(8).toString('hex')}`
      await server.query(`CREATE DATABASE ${name}`)
      return name
    },
    configure: (...lines) => appendFile(join(data, 'postgresql.auto.conf'), lines.map((line) => `${line}\n`).join('')),
    async start() {
      const started = spawn(binary('postgres'), ['-D', data, '-p', `${port}`], { cwd: folder, stdio: 'pipe', ...IDENTITY })
      child = started
      let log = ''
      for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()))
      const isUp = async (): Promise<boolean> => {
        if (started.exitCode !== null) throw new Error(`PostgreSQL ended:\n${log}`)
        return await server.query('SELECT 1').then(
          () => true,
          () => false,
        )
      }
      await vi.waitUntil(isUp, { timeout: 30_000, interval: 50 })
    },
    stop: () => end('SIGINT'),
    // The postmaster's children end when they see it gone.
    kill: () => end('SIGQUIT'),
    async promote() {
      await server.query('SELECT pg_promote(true, 30)')
    },
    async copy(...args) {
      const target = await makePostgresFolder()
      const to = join(target, 'data')
      await mkdir(to, { mode: 0o700 })
      if (IDENTITY?.uid !== undefined) chownSync(to, IDENTITY.uid, IDENTITY.gid as number)
      await runPostgres('pg_basebackup', '-d', server.url(), '-D', to, '-c', 'fast', '--no-sync', ...args)
      return await serverOf(target)
    },
    async replica(over = port) {
      const copy = await server.copy('-R')
      await copy.configure(`primary_conninfo = 'host=127.0.0.1 port=${over} user=postgres'`, 'archive_mode = off')
      await copy.start()
      return copy
    },
    async remove() {
      await server.kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return server
}

/** Makes a started server recover from archived WAL to a point: writes what PostgreSQL wants to find for that. */
export async function recoverTo(server: PostgresServer, archive: string, target: string): Promise<void> {
  await server.configure(`restore_command = 'cp ${archive}/%f %p'`, target, "recovery_target_action = 'promote'")
  await writeFile(join(server.data, 'recovery.signal'), '')
  if (IDENTITY?.uid !== undefined) chownSync(join(server.data, 'recovery.signal'), IDENTITY.uid, IDENTITY.gid as number)
}
