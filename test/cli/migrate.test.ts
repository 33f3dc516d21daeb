import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrateDatabase } from '../../src/cli/migrate.ts'
import { createServerDatabase, dropServerDatabase, serverQuery, skipServer } from '../support/database.ts'
import { runCommand, runScript } from '../support/script.ts'

describe.skipIf(skipServer)('parley migrate', () => {
  let url: string
  beforeAll(async () => {
    url = await createServerDatabase()
  })
  afterAll(() => dropServerDatabase(url))
  const migrate = (...args: string[]) => runCommand(migrateDatabase, args, { DATABASE_URL: url })

  test('says what is to be applied, applies it, and has nothing to do then', async () => {
    const before = await migrate('--status')
    expect(before).toMatchObject({ status: 1, err: '' })
    expect(before.out).toMatch(/^To be applied:\n {2}\d{14}_init\n/)
    const applied = await runScript('parley migrate', [], { DATABASE_URL: url })
    expect(applied).toMatchObject({ status: 0, err: '' })
    expect(applied.out).toMatch(/^Applied:\n {2}\d{14}_init\n/)
    expect(await migrate('--status')).toMatchObject({ status: 0, out: 'The database is at the schema of this version.\n' })
    expect(await migrate()).toMatchObject({ status: 0, out: 'Nothing to do: the database is at the schema of this version.\n' })
  })

  test('refuses a database that is not ours, in one sentence', async () => {
    const foreign = await createServerDatabase()
    await serverQuery('CREATE TABLE theirs ()', foreign)
    const refused = await runCommand(migrateDatabase, [], { DATABASE_URL: foreign })
    expect(refused).toMatchObject({ status: 1, out: '' })
    expect(refused.err).toMatch(/^The database holds tables that are not this server's \(theirs\)\./)
    await dropServerDatabase(foreign)
  })
})
