import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Everything that has to be gone when the bench is: the processes it started, and its temporary folders. */
const children = new Set()
const folders = new Set()
let isOver = false

/**
 * Starts a process in a group of its own, so that a Ctrl-C in the terminal reaches only the bench, which ends it in order.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions & { logFile?: string }} [options] output goes to `logFile`, appended
 */
export function launch(command, args, { logFile, ...options } = {}) {
  if (isOver) throw new Error('the bench is over')
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...options })
  children.add(child)
  child.once('exit', () => children.delete(child))
  child.once('error', () => children.delete(child))
  const log = logFile ? createWriteStream(logFile, { flags: 'a' }) : undefined
  for (const stream of [child.stdout, child.stderr]) {
    if (log) stream.on('data', (chunk) => log.write(chunk))
    else stream.resume()
  }
  child.once('close', () => log?.end())
  return child
}

/** Runs a process to its end; rejects with its output where it fails. */
export async function runToEnd(command, args, options = {}) {
  const child = launch(command, args, options)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`)
  return output
}

/** Ends a process with a signal and waits; what has not ended after `patienceMs` is killed. */
export async function end(child, signal = 'SIGTERM', patienceMs = 15_000) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  await exited
  clearTimeout(timer)
}

export function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'parley-bench-'))
  folders.add(folder)
  return folder
}

export function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true })
  folders.delete(folder)
}

/** Ends all that still runs and removes all that was left, for when the bench ends early. */
export async function endEverything() {
  isOver = true
  await Promise.all([...children].map((child) => end(child, 'SIGINT', 5000)))
  for (const folder of folders) removeFolder(folder)
}

/** The same where there is no time to wait. */
export function killEverything() {
  for (const child of children) child.kill('SIGKILL')
}

/** A port that nobody listens on now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  server.close()
  await once(server, 'close')
  return port
}

/** The most memory that a running process has had resident so far, in bytes; 0 where the system does not tell. */
export function peakRss(pid) {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kilobytes ?? 0) * 1024
  } catch {
    return 0
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks again and again until it is so; rejects with what was waited for when that takes too long. */
export async function until(what, isSo, patienceMs = 30_000) {
  for (const deadline = Date.now() + patienceMs; !(await isSo()); await sleep(50)) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`)
  }
}
