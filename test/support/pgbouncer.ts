import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { vi } from 'vitest'
import { freePort } from './redis-server.ts'

/** Debian puts it where only root looks. */
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` }

/** Tests behind PgBouncer are skipped where it is not installed. */
export const skipPgBouncer = spawnSync('pgbouncer', ['--version'], { env }).status !== 0

/** What every session has to begin with, as docs/operations.md says; the time limit is long enough for a busy machine, and short enough for a test to wait for. */
const BEGIN = "SET TIME ZONE 'UTC'; SET jit = off; SET statement_timeout = 6000; SET idle_in_transaction_session_timeout = 6000"

export interface PgBouncer {
  /** DATABASE_URL through it. */
  url: string
  close(): Promise<void>
}

/** PgBouncer in transaction mode in front of the database of that URL; `begin` runs in each session of its own. */
export async function startPgBouncer(databaseUrl: string, begin = BEGIN): Promise<PgBouncer> {
  const { hostname, port, username, pathname } = new URL(databaseUrl)
  const folder = await mkdtemp(join(tmpdir(), 'parley-pgbouncer-'))
  // It refuses to run as root, and its other user has to read this.
  await chmod(folder, 0o755)
  const listenPort = await freePort()
  const file = join(folder, 'pgbouncer.ini')
  await writeFile(
    file,
    `[databases]
* = host=${hostname} port=${port} user=${username} connect_query='${begin.replaceAll("'", "''")}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
server_login_retry = 1
query_wait_timeout = 4
`,
  )
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres']))
  const identity = process.getuid?.() === 0 ? { uid: id('-u'), gid: id('-g') } : {}
  const child = spawn('pgbouncer', [file], { env, cwd: folder, stdio: 'pipe', ...identity })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const url = `postgresql://${username}@127.0.0.1:${listenPort}${pathname}`
  const answers = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended:\n${log}`)
    const client = new pg.Client({ connectionString: url })
    return await client.connect().then(
      () => client.end().then(() => true),
      () => false,
    )
  }
  await vi.waitUntil(answers, { timeout: 30_000, interval: 50 })
  return {
    url: `${url}?pgbouncer=true`,
    async close() {
      const ended = once(child, 'exit')
      if (child.exitCode === null) {
        child.kill('SIGKILL')
        await ended
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}
