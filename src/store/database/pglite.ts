import { closeSync, fsyncSync, openSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory, Transaction } from '@prisma/driver-adapter-utils'
import { PrismaPGlite } from 'pglite-prisma-adapter'
import { migrationAdapterFactory, scriptError } from '../migrations/adapter.ts'

/**
 * The engine makes a checkpoint by itself after a certain amount of log, and if that falls into a commit, as it mostly does, it
 * waits forever for that very commit. So that must never happen: we request checkpoints, between transactions.
 */
const NO_CHECKPOINTS = ['-c', 'max_wal_size=1TB']
const CHECKPOINT_AFTER_BYTES = 64 * 1024 * 1024
const CHECKPOINT_CHECK_MS = 2000

/**
 * The search index gathers new entries, and the statement that reaches this size puts all of them in their places: with PostgreSQL's 4 MB
 * that took 200 to 400 ms of the event loop.
 */
const SMALL_INDEX_PARTS = ['-c', 'gin_pending_list_limit=256kB']

/** How long statements run in one turn of the event loop, in milliseconds; a single one may take longer. */
const TURN_MS = 4

/** PGlite's own parameters except `-F`, which disables syncing, and less memory for buffers than its 128 MB. */
const START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  ...['-c', 'wal_sync_method=fsync', '-c', 'shared_buffers=32MB'],
  ...NO_CHECKPOINTS,
  ...SMALL_INDEX_PARTS,
]

/** Thrown by the engine after every ordinary SQL error: PostgreSQL's jump back into its main loop. */
const ORDINARY_ERROR_STATUS = 100

/**
 * PGlite swallows whatever is thrown inside the engine: an interrupted statement is then answered as if it had completed, and
 * after a PANIC (a full disk) the next one never returns. Here the first such exception ends the engine: that statement and all
 * later ones fail, and the next start recovers what was committed, as after a crash.
 */
export class GuardedPGlite extends PGlite {
  #broken: Error | undefined
  #checkpoints: NodeJS.Timeout | undefined
  #wasUsed = false
  /** When the rest of the process last had a turn. */
  #turnAt = 0

  static async start(folder: string | undefined): Promise<GuardedPGlite> {
    const exitCode = process.exitCode
    try {
      const pglite = new GuardedPGlite(
        folder === undefined
          ? { startParams: [...PGlite.defaultStartParams, ...NO_CHECKPOINTS, ...SMALL_INDEX_PARTS] }
          : { dataDir: folder, startParams: START_PARAMETERS },
      )
      await pglite.waitReady
      pglite.#guard()
      if (folder !== undefined) pglite.#syncToDisk()
      pglite.#checkpoints = setInterval(() => void pglite.#checkpointIfDue().catch(() => undefined), CHECKPOINT_CHECK_MS).unref()
      return pglite
    } finally {
      // The engine's start sets 99, its end 0.
      process.exitCode = exitCode
    }
  }

  /** Lets running statements finish, then ends the engine; a broken one is left alone. */
  async stop(): Promise<void> {
    clearInterval(this.#checkpoints)
    if (this.closed) return
    await this._runExclusiveTransaction(() => Promise.resolve())
    if (this.#broken) return
    const exitCode = process.exitCode
    try {
      await this.close()
    } finally {
      process.exitCode = exitCode
    }
    // Releases its memory even if something still refers to the closed engine.
    delete this.mod
  }

  /**
   * The engine runs in this process and its promises resolve at once: as long as statements wait, nothing else would get a turn
   * of the event loop.
   */
  override async execProtocolRaw(...args: Parameters<PGlite['execProtocolRaw']>): Promise<Uint8Array> {
    if (performance.now() - this.#turnAt > TURN_MS) {
      await nextTurn()
      this.#turnAt = performance.now()
    }
    return await super.execProtocolRaw(...args)
  }

  override execProtocolRawSync(message: Uint8Array): Uint8Array {
    this.#check()
    this.#wasUsed = true
    const answer = super.execProtocolRawSync(message)
    this.#check()
    return answer
  }

  /** Makes a checkpoint if enough was written since the last one. Failures are retried. */
  async #checkpointIfDue(): Promise<void> {
    if (!this.#wasUsed) return
    const { rows } = await this.query<{ bytes: number }>(
      'SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::float8 AS bytes FROM pg_control_checkpoint()',
    )
    if ((rows[0]?.bytes ?? 0) > CHECKPOINT_AFTER_BYTES) await this.exec('CHECKPOINT')
    this.#wasUsed = false
  }

  #check(): void {
    if (this.#broken) throw this.#broken
  }

  #guard(): void {
    const module = this.Module
    const loopOnce = module._PostgresMainLoopOnce
    module._PostgresMainLoopOnce = () => {
      try {
        loopOnce()
      } catch (error) {
        if ((error as { status?: number }).status !== ORDINARY_ERROR_STATUS) {
          const message = 'The embedded database stopped (is the disk full?). Start the server again: what was committed is kept.'
          // PostgreSQL's own code for a server that crashed.
          this.#broken ??= Object.assign(new Error(message, { cause: error }), { code: '57P02' })
        }
        throw error
      }
    }
  }

  /** The engine's file system answers fsync without syncing: that survives a killed process, but not a power cut. */
  #syncToDisk(): void {
    const fs = this.Module.FS
    const { NODEFS } = fs.filesystems
    NODEFS.stream_ops.fsync = (stream: { nfd?: number; node: object }): number => {
      try {
        if (stream.nfd === undefined) syncFolder(NODEFS.realPath(stream.node))
        else fsyncSync(stream.nfd)
        return 0
      } catch {
        throw new fs.ErrnoError(EIO)
      }
    }
  }
}

/** The number of EIO in the engine's C library. */
const EIO = 29

function syncFolder(path: string): void {
  // Persists the names of new files; Windows has no equivalent.
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

export function embeddedAdapterFactory(pglite: PGlite): SqlMigrationAwareDriverAdapterFactory {
  return migrationAdapterFactory('pglite-prisma-adapter', () => connect(pglite, () => startTransaction(pglite)))
}

/** Runs `change` in a transaction, while all other statements wait. */
export const embeddedTransaction = <T>(pglite: PGlite, change: (session: SqlDriverAdapter) => Promise<T>): Promise<T> =>
  pglite.transaction(async (client) =>
    change(await connect(client, () => Promise.reject(new Error('there is one transaction at a time')))),
  )

async function connect(
  client: Pick<PGlite, 'query' | 'exec'>,
  startTransaction: SqlDriverAdapter['startTransaction'],
): Promise<SqlDriverAdapter> {
  const adapter = await new PrismaPGlite(client as PGlite).connect()
  return {
    provider: adapter.provider,
    adapterName: adapter.adapterName,
    queryRaw: (query) => adapter.queryRaw(query),
    executeRaw: (query) => adapter.executeRaw(query),
    // The adapter's own neither waits for the script nor reports its failure.
    executeScript: async (script) => {
      await client.exec(script).catch(scriptError)
    },
    startTransaction,
    getConnectionInfo: () => ({ supportsRelationJoins: true }),
    dispose: () => adapter.dispose(),
  }
}

/**
 * The adapter's transaction, except that a failed COMMIT is reported. There is one connection, so transactions run one after
 * the other and every isolation level holds.
 */
async function startTransaction(pglite: PGlite): Promise<Transaction> {
  let outcome: Promise<unknown> | undefined
  const client: Pick<PGlite, 'transaction'> = {
    transaction: (callback) => {
      const result = pglite.transaction(callback)
      outcome = result
      return result
    },
  }
  const adapter = await new PrismaPGlite(client as PGlite).connect()
  const transaction = await adapter.startTransaction()
  const commit = transaction.commit.bind(transaction)
  transaction.commit = async () => {
    await commit()
    await outcome
  }
  return transaction
}
