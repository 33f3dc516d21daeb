import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import jsonwebtoken from 'jsonwebtoken'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Command } from '../../src/cli/command.ts'
import { isGuessable } from '../../src/cli/diagnosis.ts'
import { isOldRedis } from '../../src/cli/diagnosis-services.ts'
import { doctor as command } from '../../src/cli/doctor.ts'
import { importFile } from '../../src/cli/import.ts'
import { migrateDatabase } from '../../src/cli/migrate.ts'
import { start } from '../../src/cli/start.ts'
import { token } from '../../src/cli/token.ts'
import { copyDatabase, createServerDatabase, dropServerDatabase, open, skipServer } from '../support/database.ts'
import { randomPrefix, REDIS_URL, skipRedis } from '../support/redis-server.ts'
import { TABLE } from '../../src/settings/table.ts'
import { runCommand, runScript } from '../support/script.ts'

// A throw-away pair for localhost that was good in 2020, used nowhere else.
const EXPIRED = `-----BEGIN CERTIFICATE-----
MIIBDzCBtgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwHhcN
MjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQmqa5f6sP3L97lD2nkqazMiZUi
Py5orCRAyr9o7EzY0npIdVshNaL7bALFwQR1DRW57PYvNDTpGOLwjLLpYrmVMAoG
CCqGSM49BAMCA0gAMEUCIQDn99Z6gw29rbBZKXblIQwrETWa/URIktQKIDGTW2d5
+wIgObQ5R9K43xsWVD7aVCGxVY3XTzZ3eUtHc0gu1Rwqv+E=
-----END CERTIFICATE-----
`
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQ8rv21FbWiOL8qtF
jl66iF2v4I0+rTGKVZ4MRAEnSiWhRANCAAQmqa5f6sP3L97lD2nkqazMiZUiPy5o
rCRAyr9o7EzY0npIdVshNaL7bALFwQR1DRW57PYvNDTpGOLwjLLpYrmV
-----END PRIVATE KEY-----
`

const SECRET = randomBytes(32).toString('hex')

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-doctor-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** With a few connections, so that no machine is too small. */
const FEW = ['--connections', '10']
const settings = (env: Record<string, string>) => ({ DATA_DIR: join(folder, 'none'), JWT_SECRET: SECRET, ...env })
const doctor = (env: Record<string, string>) => runCommand(command, FEW, settings(env))
/** The same as a process of its own. */
const doctorProcess = (env: Record<string, string>) => runScript('parley doctor', FEW, settings(env))

describe('npm run doctor', () => {
  test('has nothing to repair in a folder of its own, and makes nothing', async () => {
    const [{ status, out, err }, coloured] = await Promise.all([doctorProcess({}), doctorProcess({ FORCE_COLOR: '1' })])
    expect({ status, err }).toEqual({ status: 0, err: '' })
    for (const area of ['settings', 'key', 'limits', 'database', 'Redis']) expect(out).toMatch(new RegExp(`^ok {4}${area} `, 'm'))
    expect(out).toMatch(/^\d+ ok, 0 to look at, 0 to repair$/m)
    expect(out).not.toContain('\u001b')
    expect(coloured.out).toContain('\u001b[32mok  ')
    expect(await readdir(folder)).toEqual([])
  })

  test('names the version of Node.js, a misspelt setting, and a folder that can not be used', async () => {
    const { status, out } = await doctor({ DATA_DIR: '/proc/nope', REDIS_URI: 'redis://localhost' })
    expect(status).toBe(1)
    expect(out).toMatch(/^ok {4}Node\.js {5}\d+\.\d+\.\d+; /m)
    expect(out).toMatch(
      /^warn {2}settings {4}REDIS_URI is not a setting, perhaps REDIS_URL is meant. To do: rename it to REDIS_URL$/m,
    )
    expect(out).toMatch(/^FAIL {2}database {4}DATA_DIR \/proc\/nope can't be used: it can not be created there/m)
  })

  test('names bad settings and looks at nothing else', async () => {
    const { status, out } = await doctor({ PORT: 'x', LOG_LEVEL: 'loud' })
    expect(status).toBe(1)
    expect(out).toMatch(/^FAIL {2}settings {4}PORT: came "x"/m)
    expect(out).toMatch(/^FAIL {2}settings {4}LOG_LEVEL/m)
    expect(out).toMatch(/^0 ok, 0 to look at, 2 to repair$/m)
  })

  test('tells whether a token would be taken, and that its end is in milliseconds', async () => {
    const exp = (Math.floor(Date.now() / 1000) + 3600) * 1000
    const env = { DATA_DIR: join(folder, 'none'), JWT_SECRET: SECRET }
    const { out } = await runCommand(command, ['--token', jsonwebtoken.sign({ sub: '7', exp }, SECRET)], env)
    expect(out).toMatch(/^ok {4}token {7}good, of user 7$/m)
    expect(out).toMatch(/^warn {2}token {7}exp .*milliseconds/m)
  })

  test('checks an embedded database, but not one that a server has', async () => {
    const DATA_DIR = await copyDatabase()
    try {
      await chmod(DATA_DIR, 0o755)
      const free = await doctor({ DATA_DIR })
      expect(free.status).toBe(0)
      expect(free.out).toMatch(/^warn {2}database {4}other users of this machine may read .*To do: chmod 700/m)
      expect((await stat(DATA_DIR)).mode & 0o777).toBe(0o755)
      expect(free.out).toMatch(/^ok {4}database {4}embedded, PostgreSQL 17/m)
      expect(free.out).toMatch(/^ok {4}migrations {2}all are applied$/m)
      const server = await open({ dataDir: DATA_DIR })
      const used = await doctor({ DATA_DIR })
      expect(used.status).toBe(0)
      expect(used.out).toMatch(new RegExp(`^warn {2}database .*process ${process.pid}.*To do: stop the server`, 'm'))
      await server.close()
    } finally {
      await rm(DATA_DIR, { recursive: true, force: true })
    }
  })

  test.each([
    ['none', {}, 0, /^warn {2}key {9}none/m],
    ['a weak one in production', { NODE_ENV: 'production', JWT_SECRET: 'change-me-change-me-change-me-now' }, 1, /^FAIL {2}key/m],
    ['a weak one elsewhere', { JWT_SECRET: 'a'.repeat(40) }, 0, /^warn {2}key .*openssl rand/m],
    ['a good one', { JWT_SECRET: SECRET, JWT_ISSUER: 'login' }, 0, /^ok {4}key {9}HS256, 64 bytes; issuer login$/m],
  ])('judges the key: %s', async (_, env, status, line) => {
    const found = await doctor({ JWT_SECRET: '', DATA_DIR: 'memory:', ...env })
    expect(found.out).toMatch(line)
    expect(found.status).toBe(status)
  })

  test('tells when the certificate has expired', async () => {
    const [TLS_CERT, TLS_KEY] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    await writeFile(TLS_CERT, EXPIRED)
    await writeFile(TLS_KEY, KEY)
    const { status, out } = await doctor({ TLS_CERT, TLS_KEY })
    expect(status).toBe(1)
    expect(out).toMatch(/^FAIL {2}TLS .*CN=localhost\) was good until 2021-01-01\. To do: renew it/m)
  })

  test.skipIf(process.platform === 'win32')('compares the limit of open files with the connections', async () => {
    const script = fileURLToPath(new URL('../../dist/cli/parley.js', import.meta.url))
    const { PATH } = process.env
    const command = `ulimit -n 200; "${process.execPath}" "${script}" doctor --connections 5000`
    const failure = promisify(execFile)('sh', ['-c', command], { env: { PATH, DATA_DIR: join(folder, 'none') } })
    await expect(failure).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^FAIL {2}limits {6}open files: 200, 5000 connections need \d+\. To do: raise it/m) as string,
    })
  })

  test('tells what does not answer, without passwords', async () => {
    const { status, out } = await doctor({
      DATABASE_URL: 'postgresql://me:hidden@127.0.0.1:1/none',
      REDIS_URL: 'redis://:hidden@127.0.0.1:1',
    })
    expect(status).toBe(1)
    expect(out).toMatch(/^FAIL {2}database {4}No PostgreSQL at 127\.0\.0\.1:1 answers/m)
    expect(out).toMatch(/^FAIL {2}Redis .*127\.0\.0\.1:1.*To do: start it or correct REDIS_URL/m)
    expect(out).not.toContain('hidden')
  })

  test.skipIf(skipRedis)('tries Redis out and leaves nothing there', async () => {
    const { out } = await doctor({ REDIS_URL, REDIS_PREFIX: randomPrefix(), DATA_DIR: 'memory:' })
    expect(out).toMatch(/^ok {4}Redis {7}\d+\.\d+\.\d+ at 127\.0\.0\.1:6379$/m)
    expect(out).toMatch(/what is published comes within \d/m)
    expect(out).toMatch(/^ok {4}clock .* Redis$/m)
  })

  describe.skipIf(skipServer)('on PostgreSQL', () => {
    const on = async (options: string, prepare: string, env: Record<string, string> = {}) => {
      const DATABASE_URL = await createServerDatabase(options)
      try {
        if (prepare !== '') {
          const database = await open({ databaseUrl: DATABASE_URL })
          await database.prisma.$executeRawUnsafe(prepare)
          await database.close()
        }
        return await doctor({ DATABASE_URL, ...env })
      } finally {
        await dropServerDatabase(DATABASE_URL)
      }
    }

    test('tells version, latency, connections, clock, and what the next start will do', async () => {
      const { status, out } = await on('', '')
      expect(status).toBe(0)
      expect(out).toMatch(/^ok {4}database {4}PostgreSQL \d+.*, UTF8$/m)
      expect(out).toMatch(/database {4}answers within \d/m)
      expect(out).toMatch(/database {4}connections: DB_POOL_SIZE=10, of \d+ that it takes \d+ are in use/m)
      expect(out).toMatch(/^ok {4}migrations {2}the next start applies \d+_init/m)
      expect(out).toMatch(/^ok {4}clock .* the database$/m)
    })

    test.each([
      ['a pool larger than the server', '', '', { DB_POOL_SIZE: '100000' }, /^FAIL {2}database .*To do: lower DB_POOL_SIZE/m],
      ['text that is not UTF-8', "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", '', {}, /^FAIL {2}database .*LATIN1/m],
      ['tables of someone else', '', 'CREATE TABLE theirs (id int)', {}, /^FAIL {2}migrations .*theirs/m],
    ])('refuses %s', async (_, options, prepare, env, line) => {
      const { status, out } = await on(options, prepare, env)
      expect(out).toMatch(line)
      expect(status).toBe(1)
    })
  })

  test.each([
    ['random bytes', randomBytes(32), false],
    ['random hex', Buffer.from(randomBytes(16).toString('hex')), false],
    ['one letter', Buffer.alloc(64, 'a'), true],
    ['a word over and over', Buffer.from('parley'.repeat(8)), true],
    ['a placeholder', Buffer.from('CHANGEME-iuqwhe87h2389hd98hd9238hd92'), true],
  ])('a secret of %s', (_, secret, guessable) => {
    expect(isGuessable(secret)).toBe(guessable)
  })
})

test('Redis is too old before 6.2', () => {
  const versions = ['5.0.14', '6.0.16', '6.2.0', '7.0.15', '10.1.0', 'of unknown version']
  expect(versions.filter(isOldRedis)).toEqual(['5.0.14', '6.0.16'])
})

const COMMANDS: Readonly<Record<string, Command>> = {
  'parley start': start,
  'parley token': token,
  'parley import': importFile,
  'parley migrate': migrateDatabase,
  'parley doctor': command,
}

/** What is no command of `parley` runs as a process. */
function runNamed(name: string, args: readonly string[], env?: Record<string, string>): ReturnType<typeof runScript> {
  const found = COMMANDS[name]
  return found ? runCommand(found, args, env) : runScript(name, args, env)
}

describe('--help', () => {
  test.each([
    // The server's names every setting.
    ['main', 'npm start', ['SIGTERM', ...Object.values(TABLE).map(({ variable }) => `  ${variable} `)]],
    ['parley start', 'npm start', ['DRAIN_MS', 'SIGTERM']],
    ['parley', 'parley COMMAND', ['start', 'token', 'import', 'doctor']],
    ['parley token', 'npm run --silent token', ['--sub', 'JWT_SECRET', 'DATA_DIR']],
    ['parley import', 'npm run import', ['--check', '--update', '--reserve', 'DATABASE_URL', 'kill -9']],
    ['parley migrate', 'parley migrate', ['--status', 'DATABASE_URL', 'exit status 1']],
    ['parley doctor', 'npm run doctor', ['--connections', 'NO_COLOR', 'Exit status 1']],
    ['cli/new-migration', 'npm run migration', ['NAME', 'prisma/schema.prisma']],
    ['cli/write-contract', 'npm run contract', ['docs/asyncapi.yaml', 'docs/settings.md']],
    ['cli/code-map', 'npm run map', ['cycles']],
  ])('of %s tells usage, options, settings and examples, whatever the settings are', async (name, usage, words) => {
    const { status, out, err } = await runNamed(name, ['--help'], { PORT: 'bad' })
    expect({ status, err }).toEqual({ status: 0, err: '' })
    for (const word of [usage, '--help', 'xample', 'ettings', ...words]) expect(out).toContain(word)
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(130)
  })

  test.each([
    ['main', ['--port', '1'], /^--port: expected --help/],
    ['parley start', ['--port', '1'], /^--port: expected --help/],
    ['parley', [], /^COMMAND is missing, expected one of start, token, import, export, migrate, doctor\n/],
    ['parley', ['toString'], /^"toString" is not a command, expected one of start, token, import, export, migrate, doctor\n/],
    ['parley doctor', ['now'], /^"now": expected options only/],
    ['cli/new-migration', ['A-b'], /^NAME is "A-b"/],
    ['cli/write-contract', ['now'], /^"now": expected options only/],
  ])('%s refuses what it does not know', async (name, args, reason) => {
    const { status, out, err } = await runNamed(name, args)
    expect({ status, out }).toEqual({ status: 1, out: '' })
    expect(err).toMatch(reason)
  })
})
