import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAuth, type Viewer } from '../../src/auth/verify.ts'
import { devSecret } from '../../src/auth/dev-secret.ts'
import { token } from '../../src/cli/token.ts'
import { open } from '../support/database.ts'
import { runCommand, runScript } from '../support/script.ts'

const SECRET = 'a secret of forty bytes, for tests only!'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-token-'))
})

afterAll(() => rm(folder, { recursive: true }))

const settings = (env: Record<string, string>) => ({ DATA_DIR: join(folder, 'data'), ...env })
const run = (args: readonly string[], env: Record<string, string> = {}) => runCommand(token, args, settings(env))

const verify = (text: string, key: KeyObject, issuer?: string, audience?: string): Promise<Viewer> =>
  createAuth({ key: { kind: 'HS256', key }, issuer, audience, isRevoked: () => false, onError: () => undefined }).verify(
    text.trim(),
  )

describe('npm run token', () => {
  test('prints a token that the settings of the server take, and nothing else', async () => {
    const env = { JWT_SECRET: SECRET, JWT_ISSUER: 'us', JWT_AUDIENCE: 'chat' }
    const args = ['--sub', '7', '--name', '王明', '--avatar', 'https://example.com/a.png', '--admin', '--ttl', '60']
    const { status, out, err } = await runScript('parley token', args, settings(env))
    expect({ status, err }).toEqual({ status: 0, err: '' })
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
    const viewer = await verify(out, createSecretKey(Buffer.from(SECRET)), 'us', 'chat')
    expect(viewer).toMatchObject({ userId: 7, name: '王明', avatar: 'https://example.com/a.png', isAdmin: true })
    expect(viewer.expiresAt - Date.now()).toBeGreaterThan(40_000)
    expect(viewer.expiresAt - Date.now()).toBeLessThanOrEqual(60_000)
  })

  test('without a key it signs with the secret that the server keeps', async () => {
    const { out } = await run(['--sub', '7'])
    expect(await verify(out, await devSecret(join(folder, 'data')))).toMatchObject({ userId: 7, name: undefined, isAdmin: false })
  })

  test('names every bad argument with what was expected', async () => {
    const { status, out, err } = await run(['more', '--sub', '0', '--name', '', '--avatar=x', '--ttl', '--admin=1', '--loud'])
    expect({ status, out }).toEqual({ status: 1, out: '' })
    expect(err.split('\n')).toEqual([
      '"more": expected options only',
      '--ttl: came without a value, expected one',
      '--loud: expected one of --sub, --name, --avatar, --admin, --ttl, --help',
      '--sub is "0", expected an integer from 1 to 2147483647',
      '--name is empty, expected a string of 1 to 100 characters',
      '--avatar is "x", expected an http or https URL',
      'See --help.',
      '',
    ])
  })

  test.each([
    ['no user', [], {}, /^--sub is missing/],
    ['an option twice', ['--sub', '1', '--sub', '2'], {}, /^--sub: came twice/],
    ['a value for --admin', ['--sub', '1', '--admin=yes'], {}, /^--admin: came with a value/],
    ['a secret that nobody keeps', ['--sub', '1'], { DATA_DIR: 'memory:' }, /Set JWT_SECRET/],
    ['settings that the server refuses', ['--sub', '1'], { NODE_ENV: 'production' }, /JWT_SECRET, JWT_PUBLIC_KEY/],
  ])('refuses %s', async (_, args, env, message) => {
    const { status, out, err } = await run(args, env)
    expect({ status, out }).toEqual({ status: 1, out: '' })
    expect(err).toMatch(message)
  })

  test('refuses to sign with a public key', async () => {
    const { publicKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    const { status, out, err } = await run(['--sub', '1'], { JWT_PUBLIC_KEY: publicKey })
    expect({ status, out }).toEqual({ status: 1, out: '' })
    expect(err).toMatch(/^JWT_PUBLIC_KEY is set/)
  })

  test('--help explains every option', async () => {
    const { status, out } = await run(['--help'])
    expect(status).toBe(0)
    for (const option of ['--sub', '--name', '--avatar', '--admin', '--ttl']) expect(out).toContain(option)
  })
})

describe('the secret of a data folder', () => {
  const fresh = (): Promise<string> => mkdtemp(join(folder, 'data-'))

  test('is made once, by whoever comes first, and is nobody else’s to read', async () => {
    const dataDir = join(await fresh(), 'new', 'folder')
    const keys = await Promise.all(Array.from({ length: 8 }, () => devSecret(dataDir)))
    for (const key of keys) expect(key.equals(keys[0] as KeyObject)).toBe(true)
    expect(await readdir(dataDir)).toEqual(['parley.dev-secret'])
    expect((await stat(join(dataDir, 'parley.dev-secret'))).mode & 0o777).toBe(0o600)
  })

  test('is another one for each process where nothing is kept', async () => {
    expect((await devSecret('memory:')).equals(await devSecret('memory:'))).toBe(false)
  })

  test.each([
    ['is empty', ''],
    ['is cut', 'c2hvcnQ\n'],
  ])('that %s is not used', async (_, text) => {
    const dataDir = await fresh()
    await writeFile(join(dataDir, 'parley.dev-secret'), text)
    await expect(devSecret(dataDir)).rejects.toThrow(/parley\.dev-secret is damaged/)
  })

  test('says what is wrong where the folder is none', async () => {
    const file = join(await fresh(), 'file')
    await writeFile(file, '')
    await expect(devSecret(file)).rejects.toThrow(/DATA_DIR: .*file can't hold the secret/)
  })
  test('is no foreign file to a database that is made there later', async () => {
    const dataDir = await fresh()
    await devSecret(dataDir)
    await writeFile(join(dataDir, 'theirs'), '')
    await expect(open({ dataDir })).rejects.toThrow(/not a database of this server \(theirs\)/)
  })
})
