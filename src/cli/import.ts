import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { styleText } from 'node:util'
import { createImporter, type Importer, type NumberedRecord, type RecordOutcome } from '../chat/import/import.ts'
import { ValidationError, MAX_MESSAGE_ID, parseImportLine } from '../chat/import/lines.ts'
import { ChatError, OperatorError } from '../errors.ts'
import {
  addCounts,
  CHECKED,
  countLines,
  countOf,
  type Counts,
  type Earlier,
  NO_EARLIER,
  noCounts,
  STORED,
  summarize,
} from './import-summary.ts'
import { type Line, LineReader } from './line-reader.ts'
import { type Arguments, type Command, integerUpTo, type Surroundings, UsageError } from './command.ts'
import { withDatabase } from './database.ts'
import { onStopSignal } from './signals.ts'
import { migrate } from '../store/migrations/migrate.ts'
import { createStore, type Store } from '../store/store.ts'
import { createProgress, print, type Progress } from './terminal.ts'

const HELP = `Imports users, conversations, groups, messages, receipts and reactions of another server.

  npm run import -- FILE [--check] [--update] [--from-start] [--group-message-offset N] [--reserve ID] [--env-file FILE]

  FILE            one JSON object on each line, with a "type"; docs/migration.md describes each
  --check         only reads the file and tells which lines are not as they should be; needs no database
  --update        users and groups that are there get what the file says; without it they stay as they are
  --from-start    does not go on where an earlier import of this file was interrupted
  --group-message-offset N
                  added to the ids of group messages, for a server that counts them apart from direct ones
  --reserve ID    keeps message ids up to this one for later imports: messages sent from now on get higher ones
  --env-file FILE reads settings from a file of NAME=value lines; what the environment has wins over it
  --help          this text

What is there already is not stored again: the same file may be imported any number of times. An import that was
interrupted, with Ctrl-C or kill -9, goes on where it was when the same command is given again. Bad lines are told with
their number and the reason, and nothing of them is stored. Exit status 0: everything is stored; 1: there were bad lines,
or it did not come to the end.

Settings: DATABASE_URL, or DATA_DIR of the embedded database, whose server must be stopped meanwhile. All others may
stay as they are for the server.

Examples:
  npm run import -- old.ndjson --check
  DATABASE_URL=postgresql://parley:secret@127.0.0.1:5432/parley npm run import -- old.ndjson
  npm run import -- messages-since.ndjson --group-message-offset 10000000`

const OPTIONS = {
  check: { type: 'boolean' },
  update: { type: 'boolean' },
  'from-start': { type: 'boolean' },
  'group-message-offset': { type: 'string' },
  reserve: { type: 'string' },
} as const

const MAX_LINE_BYTES = 16 * 1024 * 1024
const BATCH_LINES = 2000
const BATCH_CHARACTERS = 4 * 1024 * 1024
/** Bytes of the file's beginning: enough to tell files apart. */
const HEAD_BYTES = 4096
/** After this many stored lines the planner's statistics should be refreshed. */
const ANALYZE_FROM = 1000

interface Options extends Surroundings {
  file: string
  size: number
  isCheck: boolean
  update: boolean
  fromStart: boolean
  groupMessageOffset: number
  reserve: number | undefined
  stop: Stop
}

interface Batch {
  records: NumberedRecord[]
  bad: { number: number; reason: string }[]
  characters: number
}

/** Reports that the import was interrupted, and that running the command again continues it. */
class Interrupted extends Error {}

async function parseOptions(given: Arguments, { env, stdout, stderr }: Surroundings): Promise<Options> {
  const [file = ''] = given.positionals
  if (file === '') given.refuse('FILE', 'FILE is missing, expected the path of a file with one JSON object on each line')
  const offset = given.read('group-message-offset', integerUpTo(MAX_MESSAGE_ID / 2))
  const reserve = given.read('reserve', integerUpTo(MAX_MESSAGE_ID))
  given.finish()
  return {
    env,
    stdout,
    stderr,
    file,
    size: await sizeOf(file),
    isCheck: given.has('check'),
    update: given.has('update'),
    fromStart: given.has('from-start'),
    groupMessageOffset: Number(offset ?? 0),
    reserve: reserve === undefined ? undefined : Number(reserve),
    stop: { isRequested: false },
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    const handle = await open(file)
    try {
      const stats = await handle.stat()
      if (stats.isFile()) return stats.size
    } finally {
      await handle.close()
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(code === 'ENOENT' ? `${file}: there is no such file` : `${file}: can't be read (${code})`)
  }
  throw new UsageError(`${file}: no regular file, which an import needs to go on where it was interrupted`)
}

/** Identifies the import of a file with these options; only the same options continue it. */
async function importId({ file, update, groupMessageOffset }: Options): Promise<string> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    return createHash('sha256').update(`${update} ${groupMessageOffset}\n`).update(buffer.subarray(0, bytesRead)).digest('hex')
  } finally {
    await handle.close()
  }
}

interface Stop {
  isRequested: boolean
}

/** The second signal ends it at once, which is safe: every batch is stored atomically. */
function requestStop(stop: Stop): void {
  if (stop.isRequested) process.exit(1)
  stop.isRequested = true
}

/** Where lines go: the database, or nowhere for `--check`. */
interface Target {
  id: string
  write: Importer['write']
}

const checkOnly: Target = {
  id: '',
  write: (records) => Promise.resolve(records.map(({ number, type }) => ({ number, type, status: 'present', reason: null }))),
}

/** Reads and stores the rest of the file; resolves with what became of these lines. */
async function importLines(options: Options, target: Target, reader: LineReader, earlier: Earlier): Promise<Counts> {
  let counts = noCounts()
  const { stop, stderr } = options
  const fractionDone = (offset: number): number => (options.size === 0 ? 1 : Math.min(1, offset / options.size))
  const progress = createProgress(stderr, { fraction: fractionDone(reader.offset), lines: reader.number })

  async function write({ records, bad: unreadable }: Batch, offset: number, lines: number, digest: string): Promise<void> {
    const withBatch = (outcomes: readonly RecordOutcome[]): Counts => addCounts(counts, countLines(outcomes, unreadable.length))
    const outcomes = await target.write(records, (stored) => {
      const sum = withBatch(stored)
      return {
        id: target.id,
        offset,
        lines,
        digest,
        bad: earlier.bad + countOf(sum, 'bad'),
        counts: earlier.counts && addCounts(sum, earlier.counts),
      }
    })
    const before = countOf(counts, 'bad')
    counts = withBatch(outcomes)
    const bad = countOf(counts, 'bad')
    if (bad > before) printBad(progress, outcomes, unreadable)
    progress.show(fractionDone(offset), lines, bad + earlier.bad === 0 ? '' : `  ${bad + earlier.bad} bad`)
  }

  let batch: Batch = { records: [], bad: [], characters: 0 }
  let writing = Promise.resolve()
  /** The next batch is read while this one is written. */
  const flush = async (): Promise<void> => {
    await writing
    writing = write(batch, reader.offset, reader.number, reader.digest())
    // Its failure is reported when it is awaited next.
    writing.catch(() => undefined)
    batch = { records: [], bad: [], characters: 0 }
  }
  try {
    for await (const line of reader.lines()) {
      take(batch, line, options.groupMessageOffset)
      if (batch.records.length + batch.bad.length >= BATCH_LINES || batch.characters >= BATCH_CHARACTERS) await flush()
      if (stop.isRequested) break
    }
    if (!stop.isRequested) await flush()
    await writing
  } finally {
    progress.end()
  }
  if (stop.isRequested) throw new Interrupted('stopped')
  return counts
}

function take(batch: Batch, { number, text, problem }: Line, groupMessageOffset: number): void {
  if (text === null) return void batch.bad.push({ number, reason: problem })
  const content = number === 1 ? text.replace(/^\uFEFF/, '') : text
  if (content.trim() === '') return
  batch.characters += content.length
  try {
    batch.records.push({ ...parseImportLine(content, groupMessageOffset), number })
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error
    batch.bad.push({ number, reason: error.message })
  }
}

function printBad(progress: Progress, outcomes: readonly RecordOutcome[], unreadable: Batch['bad']): void {
  const bad = [...unreadable, ...outcomes.flatMap(({ number, reason }) => (reason === null ? [] : [{ number, reason }]))]
  for (const { number, reason } of bad.toSorted((a, b) => a.number - b.number)) progress.print(`line ${number}: ${reason}`)
}

/** Prints how it ended; resolves with whether everything is stored. */
function conclude(options: Options, bad: number, badBefore: number): boolean {
  const { isCheck, stdout } = options
  const conclusion = (colour: 'green' | 'red', text: string): void => print(stdout, styleText(colour, text, { stream: stdout }))
  const verb = isCheck ? 'read' : 'stored'
  if (bad + badBefore === 0) {
    conclusion('green', isCheck ? 'Every line can be read.' : 'Everything is stored.')
    return true
  }
  const parts = [`${bad} bad ${bad === 1 ? 'line was' : 'lines were'} not ${verb}; each is told above with its number.`]
  if (badBefore > 0) parts.push(`${badBefore} more were told before this import was interrupted; --from-start tells them again.`)
  parts.push(
    isCheck ? 'Correct them, then import the file.' : 'Correct them and import the file again: what is stored stays as it is.',
  )
  conclusion('red', parts.join('\n'))
  return false
}

async function intoDatabase(options: Options, store: Store): Promise<boolean> {
  const since = Date.now()
  if (options.reserve !== undefined) await store.imports.reserveMessages(options.reserve)
  const id = await importId(options)
  const reader = new LineReader(options.file, MAX_LINE_BYTES)
  const earlier = options.fromStart ? undefined : await store.imports.progress(id)
  let before = NO_EARLIER
  if (earlier && (await reader.skip(earlier.offset, earlier.lines, earlier.digest))) {
    before = earlier
    print(options.stdout, `An import of this file was interrupted; going on after line ${earlier.lines}.`)
  }
  const first = reader.number
  const counts = await importLines(options, { id, ...createImporter(store, options) }, reader, before)
  if (countOf(counts, 'added') >= ANALYZE_FROM) await store.imports.analyze()
  // The file is complete from here on: importing it again starts from the beginning.
  await store.imports.removeProgress(id)
  summarize(options.stdout, counts, STORED, reader.number - first, since, before)
  return conclude(options, countOf(counts, 'bad'), before.bad)
}

/** Resolves with whether everything is stored, or could be. */
async function run(options: Options): Promise<boolean> {
  if (options.isCheck) {
    const since = Date.now()
    const reader = new LineReader(options.file, MAX_LINE_BYTES)
    const counts = await importLines(options, checkOnly, reader, NO_EARLIER)
    summarize(options.stdout, counts, CHECKED, reader.number, since, NO_EARLIER)
    return conclude(options, countOf(counts, 'bad'), 0)
  }
  return await withDatabase({ env: options.env, without: 'nothing of the import would be kept' }, async (database) => {
    await migrate(database)
    return await intoDatabase(options, createStore(database))
  })
}

/** The same error in words for the user, if the import can be continued later. */
function explain(error: unknown): unknown {
  const isLost = error instanceof ChatError && error.code === 'UNAVAILABLE'
  if (!isLost && !(error instanceof Interrupted)) return error
  const why = isLost ? 'The database does not answer any more.' : 'Stopped.'
  return new OperatorError(`${why} Give the same command again to go on.`)
}

export const importFile: Command = {
  help: HELP,
  options: OPTIONS,
  positionals: 1,
  readsSettings: true,
  // Prisma's schema engine keeps a timer for another 10 seconds.
  keepsRunning: true,
  async run(given, surroundings) {
    const options = await parseOptions(given, surroundings)
    const ignoreSignals = onStopSignal(() => requestStop(options.stop), options.env)
    try {
      return (await run(options)) ? 0 : 1
    } catch (error) {
      throw explain(error)
    } finally {
      ignoreSignals()
    }
  },
}
