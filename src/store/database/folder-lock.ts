import { createHash, randomUUID } from 'node:crypto'
import { readFile, readlink, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

/** Thrown if a live process holds the lock, or may hold it. */
export class LockedError extends Error {
  /** The holder's process id, if the lock file has it. */
  readonly pid: number | undefined

  constructor(path: string, pid: number | undefined) {
    super(`${path} is held by ${pid === undefined ? 'another process' : `process ${pid}`}`)
    this.name = 'LockedError'
    this.pid = pid
  }
}

/**
 * The content of a lock file. `where` names the machine, its boot and the pid namespace in which `pid` and `started` are valid.
 */
interface Owner {
  id: string
  pid: number
  started: string | undefined
  where: string
}

/** A killed process is still visible for a moment, until the kernel has finished its system calls. */
const DYING_MS = 1_000
const HEARTBEAT_MS = 2_000
/** Longer than the longest time for which the holder's event loop is blocked, which is the creation of a database. */
const SILENCE_MS = 15_000

/**
 * Takes an exclusive lock file and returns a function that releases it. The lock of a dead process is taken over, whether the
 * process was killed, its pid now belongs to another one, or it ran in a container that is gone. Throws LockedError.
 */
export async function acquireLock(path: string): Promise<() => Promise<void>> {
  const owner: Owner = {
    id: randomUUID(),
    pid: process.pid,
    started: (await processState(process.pid))?.started,
    where: await here(),
  }
  const mine = JSON.stringify(owner)
  const patience = Date.now() + DYING_MS
  for (;;) {
    try {
      await writeFile(path, mine, { flag: 'wx', mode: 0o600 })
      break
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
    }
    const theirs = await readLock(path)
    if (theirs === undefined) continue
    if (await isAlive(path, theirs, owner.where)) {
      if (Date.now() >= patience) throw new LockedError(path, parseOwner(theirs)?.pid)
      await delay(50)
      continue
    }
    await removeDead(path, theirs)
  }
  // The heartbeat for those who can't see our process: another container, or a system without /proc.
  const touch = (): void => void utimes(path, new Date(), new Date()).catch(() => undefined)
  const heartbeat = setInterval(touch, HEARTBEAT_MS).unref()
  return async () => {
    clearInterval(heartbeat)
    if ((await readLock(path)) === mine) await unlink(path)
  }
}

/**
 * Several processes may find the same dead lock. Only the one that holds the lock named after its content may remove it, and
 * only while it is unchanged, so nobody ever removes a lock that was taken since.
 */
async function removeDead(path: string, dead: string): Promise<void> {
  const release = await acquireLock(`${path}.${createHash('sha256').update(dead).digest('hex').slice(0, 16)}`)
  try {
    if ((await readLock(path)) === dead) await unlink(path)
  } finally {
    await release()
  }
}

async function isAlive(path: string, content: string, where: string): Promise<boolean> {
  const owner = parseOwner(content)
  if (owner?.where === where) {
    if (!exists(owner.pid)) return false
    const state = await processState(owner.pid)
    if (state?.zombie) return false
    if (state && owner.started !== undefined) return state.started === owner.started
  }
  return hasHeartbeat(path)
}

/**
 * True as soon as the file is touched or replaced, false if it is older than the maximum silence or stays unchanged for that
 * long.
 */
async function hasHeartbeat(path: string): Promise<boolean> {
  const first = await touchedAt(path)
  if (first === undefined) return true
  const end = Date.now() + Math.min(SILENCE_MS, SILENCE_MS - (Date.now() - first))
  while (Date.now() < end) {
    await delay(Math.min(250, end - Date.now()))
    if ((await touchedAt(path)) !== first) return true
  }
  return false
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !isErrno(error, 'ESRCH')
  }
}

/** The start time in clock ticks distinguishes a process from a later one with the same pid. Undefined without /proc. */
async function processState(pid: number): Promise<{ started: string; zombie: boolean } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The second field is the command in parentheses, which may itself contain anything.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  const started = fields?.[19]
  return started === undefined ? undefined : { started, zombie: fields?.[0] === 'Z' }
}

async function here(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  return [hostname(), boot.trim(), namespace].join(' ')
}

function parseOwner(content: string): Owner | undefined {
  try {
    const owner = JSON.parse(content) as Owner
    return Number.isSafeInteger(owner.pid) && owner.pid > 0 ? owner : undefined
  } catch {
    return undefined
  }
}

const readLock = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  })

const touchedAt = (path: string): Promise<number | undefined> =>
  stat(path).then(
    (stats) => stats.mtimeMs,
    () => undefined,
  )

const isErrno = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code
