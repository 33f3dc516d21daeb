import { spawn, type ChildProcess } from 'node:child_process'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { runWithin, type Command } from '../../src/cli/command.ts'
import { SHORT_LIVED } from './server-process.ts'

export interface Script {
  child: ChildProcess
  out(): string
  err(): string
  /** Resolves when it has ended, with its exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>
}

/** Comes when standard error gets the text: from the script itself, so that it is not done by then on a busy machine. */
export interface SignalAt {
  text: string
  signal: NodeJS.Signals
}

/** What the script goes on with has begun by then. */
const signalAt = ({ text, signal }: SignalAt): string =>
  `data:text/javascript,${encodeURIComponent(`
  const write = process.stderr.write
  process.stderr.write = function (chunk, ...rest) {
    if (String(chunk).includes(${JSON.stringify(text)})) setImmediate(() => process.kill(process.pid, '${signal}'))
    return write.call(this, chunk, ...rest)
  }`)}`

/**
 * Starts a compiled script as a process of its own, with these settings and no others. `name` is its path under dist/, or a
 * command such as `parley token`.
 */
export function startScript(name: string, args: readonly string[], env: Record<string, string> = {}, signal?: SignalAt): Script {
  const { PATH } = process.env
  const [path = '', ...command] = name.replace(/^parley\b/, 'cli/parley').split(' ')
  const file = fileURLToPath(new URL(`../../dist/${path}.js`, import.meta.url))
  const flags = [SHORT_LIVED, ...(signal === undefined ? [] : ['--import', signalAt(signal)])]
  const child = spawn(process.execPath, [...flags, file, ...command, ...args], {
    env: { PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? (signal as NodeJS.Signals)))
  })
  return { child, out: () => out, err: () => err, ended }
}

/**
 * Runs a command to its end in this process, with these settings and no others: a process takes seconds to load everything. A
 * command's own file of tests has one that runs as a script does.
 */
export async function runCommand(
  command: Command,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ status: number; out: string; err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const printed = Promise.all([text(stdout), text(stderr)])
  const status = await runWithin({ env: { ...env }, stdout, stderr }, command, args)
  stdout.end()
  stderr.end()
  const [out, err] = await printed
  return { status, out, err }
}

/** Runs a script to its end. */
export async function runScript(
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ status: number | NodeJS.Signals; out: string; err: string }> {
  const script = startScript(name, args, env)
  const status = await script.ended
  return { status, out: script.out(), err: script.err() }
}
