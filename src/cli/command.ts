import { readFileSync } from 'node:fs'
import { inspect, parseArgs, parseEnv } from 'node:util'
import { OperatorError } from '../errors.ts'
import { type Output, print } from './terminal.ts'

export type OptionTypes = Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>

/** Invalid arguments: one line for each problem. */
export class UsageError extends OperatorError {
  override name = 'UsageError'
}

/** What a command has of the process that it runs in. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv
  readonly stdout: Output
  readonly stderr: Output
}

export interface Command {
  /** The text of `--help`: usage, options, settings, examples. */
  readonly help: string
  /** Options besides `--help` and `--env-file`. */
  readonly options: OptionTypes
  /** Number of positional arguments; 0 if absent. */
  readonly positionals?: number
  /** Whether it reads settings, and so accepts `--env-file`. */
  readonly readsSettings: boolean
  /** Whether background work would keep the process alive after `run`. */
  readonly keepsRunning?: boolean
  /** Runs it; resolves with the exit status. Throws OperatorError for what the user can correct. */
  run(given: Arguments, surroundings: Surroundings): Promise<number>
}

/** Runs a command as this process, which ends with the command's exit status. */
export async function runCommand(command: Command, args: readonly string[]): Promise<void> {
  process.exitCode = await runWithin(process, command, args)
  if (command.keepsRunning === true || process.exitCode !== 0) process.exit()
}

/**
 * Runs a command: the file of `--env-file`, the options, `--help`, then the command itself. Resolves with its exit status, which
 * is 1 after an error: of an OperatorError only the message is printed, of any other error the stack.
 */
export async function runWithin(surroundings: Surroundings, command: Command, args: readonly string[]): Promise<number> {
  const { env, stdout, stderr } = surroundings
  try {
    const given = readArguments(
      command.readsSettings ? takeEnvFile(args, env) : args,
      { ...command.options, help: { type: 'boolean' } },
      command.positionals,
    )
    if (!given.isHelp) return await command.run(given, surroundings)
    print(stdout, command.help)
    return 0
  } catch (error) {
    print(stderr, error instanceof OperatorError ? error.message : inspect(error))
    return 1
  }
}

export const MAX_INT = 2_147_483_647

/** What is wrong with an option's value, as a sentence that begins with its name; null if nothing. */
export type Check = (value: string, field: string) => string | null

/** A command's parsed arguments. Problems are collected, so that all are reported at once. */
export interface Arguments {
  readonly isHelp: boolean
  readonly positionals: readonly string[]
  has(name: string): boolean
  /** An option's value after its check; undefined if absent or invalid. */
  read(name: string, check: Check): string | undefined
  /** Records a problem for a name, unless it has one. */
  refuse(name: string, problem: string): void
  /** Throws UsageError with all problems, if there are any. */
  finish(): void
}

/** Parses options of these types and up to `positionals` other arguments. */
function readArguments(args: readonly string[], types: OptionTypes, positionals = 0): Arguments {
  // Not strict: parseArgs would stop at the first problem.
  const { tokens } = parseArgs({ args: [...args], options: types, strict: false, allowPositionals: true, tokens: true })
  const values = new Map<string, string>()
  const problems = new Map<string, string>()
  const others: string[] = []

  for (const token of tokens) {
    if (token.kind === 'positional') {
      const { value } = token
      if (others.length < positionals) others.push(value)
      else problems.set(value, `${JSON.stringify(value)}: expected ${positionals === 0 ? 'options only' : 'nothing more'}`)
    }
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const problem =
      problemWithOption(types, name, value, inlineValue === true) ?? (values.has(name) ? 'came twice, expected it once' : null)
    if (problem !== null) problems.set(name, `${rawName}: ${problem}`)
    values.set(name, value ?? '')
  }

  return {
    isHelp: values.has('help') && problems.size === 0,
    positionals: others,
    has: (name) => values.has(name),
    read(name, check) {
      const value = problems.has(name) ? undefined : values.get(name)
      const problem = value === undefined ? null : check(value, `--${name}`)
      if (problem === null) return value
      problems.set(name, problem)
      return undefined
    },
    refuse(name, problem) {
      if (!problems.has(name)) problems.set(name, problem)
    },
    finish() {
      if (problems.size > 0) throw new UsageError([...problems.values(), 'See --help.'].join('\n'))
    },
  }
}

function problemWithOption(types: OptionTypes, name: string, value: string | undefined, isInline: boolean): string | null {
  const type = Object.hasOwn(types, name) ? types[name]?.type : undefined
  if (type === undefined) return `expected ${optionNames(types)}`
  if (type === 'boolean') return value === undefined ? null : 'came with a value, expected none'
  // What looks like the next option is not this one's value.
  return value === undefined || (!isInline && value.startsWith('--')) ? 'came without a value, expected one' : null
}

function optionNames(types: OptionTypes): string {
  const names = Object.keys(types).map((name) => `--${name}`)
  return names.length > 1 ? `one of ${names.join(', ')}` : names.join()
}

/** An integer from 1 to `max`. */
export const integerUpTo =
  (max: number): Check =>
  (value, field) =>
    /^[1-9]\d{0,15}$/.test(value) && Number(value) <= max
      ? null
      : `${field} is ${JSON.stringify(value)}, expected an integer from 1 to ${max}`

const ENV_FILE = '--env-file'

/**
 * Loads the file of `--env-file FILE`, an option of every command that reads settings, into the environment; variables already
 * set win. Returns the other arguments. Throws UsageError.
 */
function takeEnvFile(args: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const at = args.findIndex((arg) => arg === ENV_FILE || arg.startsWith(`${ENV_FILE}=`))
  if (at < 0) return [...args]
  const isInline = args[at] !== ENV_FILE
  const path = isInline ? args[at]?.slice(ENV_FILE.length + 1) : args[at + 1]
  if (path === undefined || path === '') throw new UsageError(`${ENV_FILE}: came without a value, expected the path of a file`)
  try {
    for (const [name, value] of Object.entries(parseEnv(readFileSync(path, 'utf8')))) env[name] ??= value
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new UsageError(`${ENV_FILE}: ${path} can't be read (${code ?? message})`)
  }
  return args.toSpliced(at, isInline ? 1 : 2)
}
