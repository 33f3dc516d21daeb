import { once } from 'node:events'
import { type Arguments, type Command, integerUpTo, MAX_INT, type Surroundings } from './command.ts'
import { withDatabase } from './database.ts'
import { OperatorError } from '../errors.ts'
import { EVERYTHING, everythingOf, type ExportSection } from '../store/exports.ts'
import { migrate } from '../store/migrations/migrate.ts'
import { createStore, type Snapshot } from '../store/store.ts'
import { createProgress, type Output, print } from './terminal.ts'

const HELP = `Writes what is stored to standard output, one JSON object on each line, in the format of an import.

  parley export [--user ID] [--env-file FILE] > FILE

  --user ID        everything that is stored of this user, also what an import does not take: settings, notifications, blocks, reports,
                   bans and audit entries; of groups, the user's own membership
  --env-file FILE  reads settings from a file of NAME=value lines; what the environment has wins over it
  --help           this text

Without --user: users, conversations, groups, messages, receipts, reactions and read pointers, as they are at one moment. An import of
the file into an empty database and another export give the same file. Groups without members are left out, and what only a running
installation needs: settings, blocks, notifications, reports, bans, the audit log and the event log. Progress goes to standard error.

Settings: DATABASE_URL, or DATA_DIR of the embedded database, whose server must be stopped meanwhile.

Examples:
  parley export > everything.ndjson
  DATABASE_URL=postgresql://parley:secret@127.0.0.1:5432/parley parley export --user 7 > user-7.ndjson`

const OPTIONS = { user: { type: 'string' } } as const
const LINES_AT_ONCE = 1000

/** The members in order, without null ones. */
function textOf(line: Record<string, unknown>): string {
  const clean = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(clean)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).flatMap(([name, each]) => (each === null ? [] : [[name, clean(each)]])))
  }
  // A notification's payload is the application's own and stays as it is.
  const { data, ...rest } = line
  return `${JSON.stringify({ ...(clean(rest) as object), ...(data === undefined ? {} : { data }) })}\n`
}

async function writeAll(
  snapshot: Snapshot,
  sections: readonly ExportSection[],
  to: NodeJS.WritableStream,
  stderr: Output,
): Promise<number> {
  const expected = Math.max(1, await snapshot.exports.count())
  const progress = createProgress(stderr, { fraction: 0, lines: 0 })
  let lines = 0
  try {
    for (const section of sections) {
      for (let after = section.start; ;) {
        const rows = await snapshot.exports.page(section, after, LINES_AT_ONCE)
        // At the reader's pace.
        if (!to.write(rows.map(({ line }) => textOf(line)).join(''))) await once(to, 'drain')
        lines += rows.length
        progress.show(Math.min(1, lines / expected), lines, `  ${section.name}`)
        const last = rows.at(-1)
        if (!last || rows.length < LINES_AT_ONCE) break
        after = last.key as readonly (number | string)[]
      }
    }
  } finally {
    progress.end()
  }
  return lines
}

async function run(given: Arguments, { env, stdout, stderr }: Surroundings): Promise<number> {
  const user = given.read('user', integerUpTo(MAX_INT))
  given.finish()
  return await withDatabase({ env, without: 'there is nothing to export' }, async (database) => {
    await migrate(database)
    const store = createStore(database)
    if (user !== undefined && !(await store.users.byIds([Number(user)])).has(Number(user)))
      throw new OperatorError(`There is no user ${user}.`)
    const sections = user === undefined ? EVERYTHING : everythingOf(Number(user))
    const lines = await store.snapshot((snapshot) => writeAll(snapshot, sections, stdout, stderr))
    print(stderr, `${lines} lines exported.`)
    return 0
  })
}

export const exportFile: Command = {
  help: HELP,
  options: OPTIONS,
  readsSettings: true,
  // Prisma's schema engine keeps a timer for another 10 seconds.
  keepsRunning: true,
  run,
}
