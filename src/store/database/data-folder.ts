import { mkdir, mkdtemp, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const REASONS: Record<string, string> = {
  EACCES: 'this user may not read and write it',
  EPERM: 'this user may not read and write it',
  EROFS: 'it is on a read-only file system',
  ENOTDIR: 'it is not a folder',
  EEXIST: 'it is not a folder',
  ENOENT: 'it can not be created there',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'it is a symbolic link that leads nowhere',
  ENOSPC: 'the disk is full',
}

/** Why a folder can't be used, in words. */
export function reasonOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  return REASONS[code] ?? message
}

/**
 * Creates a folder and its parents. Node's own `recursive` never returns if a folder exists but takes no new ones, as in /proc:
 * the file system reports there that the parent is missing, and Node creates the parent again and again.
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await makeOne(folder)
  } catch (error) {
    const parent = dirname(folder)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === folder) throw error
    await makeFolder(parent)
    await makeOne(folder)
  }
}

async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
    if (!exists || !(await isFolder(folder))) throw error
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  )

/** Why a folder could not be created or written to, undefined if it could; leaves nothing behind. */
export async function problemWithFolder(folder: string): Promise<string | undefined> {
  let nearest = folder
  while (dirname(nearest) !== nearest && !(await exists(nearest))) nearest = dirname(nearest)
  try {
    await rmdir(await mkdtemp(join(nearest, 'parley.doctor-')))
    return undefined
  } catch (error) {
    return `DATA_DIR ${folder} can't be used: ${reasonOf(error)}`
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
