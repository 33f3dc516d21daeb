import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { link, readFile, unlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { SettingsError } from '../settings.ts'
import { makeFolder, reasonOf } from '../store/database/data-folder.ts'

const FILE = 'parley.dev-secret'
const BYTES = 32

/**
 * The secret that signs and verifies tokens if no key is set, for development only. It is stored in the data folder, so that
 * tokens survive a restart and the token command signs tokens that the server accepts. Nothing is stored for `memory:`. Throws
 * SettingsError if the folder can't hold it.
 */
export async function devSecret(dataDir: string): Promise<KeyObject> {
  if (dataDir === 'memory:') return createSecretKey(randomBytes(BYTES))
  const folder = resolve(dataDir)
  try {
    return createSecretKey(parse((await read(folder)) ?? (await create(folder)), folder))
  } catch (error) {
    if (error instanceof SettingsError) throw error
    throw new SettingsError([
      `DATA_DIR: ${folder} can't hold the secret for tokens: ${reasonOf(error)}; correct that or set JWT_SECRET`,
    ])
  }
}

function parse(text: string, folder: string): Buffer {
  const secret = Buffer.from(text.trim(), 'base64url')
  if (secret.length === BYTES) return secret
  throw new SettingsError([`DATA_DIR: ${join(folder, FILE)} is damaged; delete it, or set JWT_SECRET`])
}

const read = (folder: string): Promise<string | undefined> =>
  readFile(join(folder, FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })

/**
 * Server and token command may create it at the same time: the file appears complete, the first one wins, and both use that.
 */
async function create(folder: string): Promise<string> {
  await makeFolder(folder)
  const path = join(folder, FILE)
  const temporary = `${path}.${randomBytes(8).toString('hex')}`
  try {
    await writeFile(temporary, `${randomBytes(BYTES).toString('base64url')}\n`, { flag: 'wx', mode: 0o600 })
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await unlink(temporary).catch(() => undefined)
  }
  return await readFile(path, 'utf8')
}
