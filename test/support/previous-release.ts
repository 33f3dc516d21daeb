import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual, promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The newest release of the changelog, which names the last commit of each. */
function newestRelease(): { version: string; commit: string } {
  const found = /^## (\d+\.\d+\.\d+) - [^]*?\bcommit `([0-9a-f]{7,40})`/m.exec(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'))
  if (!found) throw new Error('CHANGELOG.md names no release with its commit')
  return { version: found[1] as string, commit: found[2] as string }
}

export const PREVIOUS = newestRelease()

/** Whether the history of this checkout reaches back so far: not in a shallow clone, nor in a package. */
export const hasPrevious = spawnSync('git', ['cat-file', '-e', `${PREVIOUS.commit}^{commit}`], { cwd: ROOT }).status === 0

interface Manifest {
  dependencies: Record<string, string>
}

const manifestOf = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest

/** The previous release, checked out and built. */
export async function buildPrevious(): Promise<{ main: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-previous-'))
  const git = (...args: string[]): Promise<unknown> => run('git', args, { cwd: ROOT })
  await git('worktree', 'add', '--detach', '--force', folder, PREVIOUS.commit)
  const remove = async (): Promise<void> => {
    await git('worktree', 'remove', '--force', folder)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const inFolder = (command: string, ...args: string[]): Promise<unknown> =>
      run(command, args, { cwd: folder, maxBuffer: 2 ** 26 })
    const [ours, theirs] = await Promise.all([manifestOf(ROOT), manifestOf(folder)])
    if (isDeepStrictEqual(ours.dependencies, theirs.dependencies))
      await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    else await inFolder('npm', 'ci', '--ignore-scripts')
    await inFolder('npm', 'run', 'generate')
    await inFolder('npm', 'run', 'build')
    return { main: join(folder, 'dist', 'main.js'), remove }
  } catch (error) {
    await remove()
    throw error
  }
}
