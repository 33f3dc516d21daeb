import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

export interface Process {
  child: ChildProcess
  out(): string
  err(): string
  /** Resolves when it has ended: with its exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>
  /** The bytes of heap that are in use after a collection: what is left of all that was done. */
  heapUsed(): Promise<number>
}

export interface RunningServer extends Process {
  port: number
  url: string
}

const children = new Set<ChildProcess>()

/** Ends those that a failed test left. */
export function endProcesses(): void {
  for (const child of children) child.kill('SIGKILL')
}

/** Answers each message of the parent with the bytes of heap that are in use after a collection. */
const TELL_HEAP = `data:text/javascript,process.on('message',()=>{gc();process.send(process.memoryUsage().heapUsed)})`

/**
 * Without optimised code of the embedded database, whose compilation is more than a third of the CPU of a start, and which a short life
 * does not pay for.
 */
export const SHORT_LIVED = '--liftoff-only'

/** Node's own flags for it. */
const FLAGS = [SHORT_LIVED, '--expose-gc', '--import', TELL_HEAP]

/** The same for a server that something else starts. */
const SHORT_LIVED_OPTION = `--import="data:text/javascript,import v8 from 'node:v8';v8.setFlagsFromString('${SHORT_LIVED}')"`

export interface Launch {
  /** What starts the server instead of Node itself; it then leads a process group of its own. */
  command?: readonly [string, ...string[]]
}

/** Runs the server as a process of its own, with these settings and no others. */
export function run(env: Record<string, string>, { command }: Launch = {}): Process {
  const { PATH } = process.env
  const [program, ...args] = command ?? [process.execPath, ...FLAGS, MAIN]
  const options = command === undefined ? {} : { NODE_OPTIONS: SHORT_LIVED_OPTION }
  const child = spawn(program, args, {
    cwd: ROOT,
    detached: command !== undefined,
    // On a busy machine the end takes longer than the ten seconds after which it is given up.
    env: { PATH, PORT: '0', DRAIN_MS: '60000', ...options, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  children.add(child)
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    // "close" comes after the last of its output.
    child.on('close', (code, signal) => {
      children.delete(child)
      resolve(code ?? (signal as NodeJS.Signals))
    })
  })
  async function heapUsed(): Promise<number> {
    const answer = once(child, 'message') as Promise<[number]>
    child.send('heap')
    return (await answer)[0]
  }
  return { child, out: () => out, err: () => err, ended, heapUsed }
}

/** Runs the server until it is ready. */
export async function start(env: Record<string, string>, launch: Launch = {}): Promise<RunningServer> {
  const server = run(env, launch)
  const ready = new Promise<string>((resolve) => {
    server.child.stdout?.on('data', () => {
      const url = /^Parley is ready on (\S+)$[^]*\n$/m.exec(server.out())?.[1]
      if (url !== undefined) resolve(url)
    })
  })
  const died = server.ended.then((end) => {
    throw new Error(`the server ended with ${end}:\n${server.err()}`)
  })
  const url = await Promise.race([ready, died])
  died.catch(() => undefined)
  return { ...server, url, port: Number(new URL(url).port) }
}
