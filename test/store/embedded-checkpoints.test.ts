import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { copyDatabase, open } from '../support/database.ts'
import type { Database } from '../../src/store/database/client.ts'

let folder: string
let database: Database
beforeAll(async () => {
  folder = await copyDatabase()
  database = await open({ dataDir: folder })
})
afterAll(async () => {
  await database.close()
  await rm(folder, { recursive: true, force: true })
})

const query = async <T>(sql: string): Promise<T> => {
  const [row] = await database.prisma.$queryRawUnsafe<T[]>(sql)
  return row as T
}

// The engine's own checkpoints would wait for ever for the commit that they fall into.
test('the embedded database never comes to a checkpoint of its own: it is asked for them in time', async () => {
  expect(await query("SELECT current_setting('max_wal_size') AS size")).toEqual({ size: '1TB' })
  const start = await query<{ lsn: string }>('SELECT redo_lsn::text AS lsn FROM pg_control_checkpoint()')
  await database.prisma.$executeRawUnsafe('CREATE TABLE filler (text text)')
  const written = `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '${start.lsn}')::float8 AS bytes`
  while ((await query<{ bytes: number }>(written)).bytes < 80 * 1024 * 1024)
    await database.prisma.$executeRawUnsafe(
      'INSERT INTO filler SELECT repeat(md5(random()::text), 60) FROM generate_series(1, 500)',
    )
  await vi.waitUntil(
    async () => (await query<{ lsn: string }>('SELECT redo_lsn::text AS lsn FROM pg_control_checkpoint()')).lsn !== start.lsn,
    { timeout: 30_000, interval: 100 },
  )
})

test('the index of the search takes new entries in small parts, each of which holds the event loop', async () => {
  expect(await query("SELECT current_setting('gin_pending_list_limit') AS size")).toEqual({ size: '256kB' })
})

test('others have their turn of the event loop while statements wait', async () => {
  let turns = 0
  let isDone = false
  const count = (): void => {
    if (isDone) return
    turns++
    setImmediate(count)
  }
  count()
  const statements = Array.from({ length: 20 }, () => query('SELECT count(*) FROM generate_series(1, 50000)'))
  await Promise.all(statements)
  isDone = true
  expect(turns).toBeGreaterThan(10)
})
