import { parseArgs } from 'node:util'
import { OperatorError } from '../errors.ts'

export type OptionTypes = Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>

/** The command was given something that it can't do: one line for each problem. */
export class UsageError extends OperatorError {
  override name = 'UsageError'
}

export interface Command {
  /** What `--help` prints: usage, options, settings, examples. */
  readonly help: string
  /** Its options besides `--help` and `--env-file`. */
  readonly options: OptionTypes
  /** How many other arguments it takes; 0 if absent. */
  readonly positionals?: number
  /** Whether it reads settings, and so takes `--env-file`. */
  readonly readsSettings: boolean
  /** Whether something that nobody waits for would keep the process alive after `run`. */
  readonly isHeldOpen?: boolean
  /** Does it; resolves with the exit status. Throws OperatorError for what the caller can put right. */
  run(given: Arguments): Promise<number>
}

/**
 * Runs a command as this process: the file of `--env-file`, the options, `--help`, then the command itself. The exit status is
 * what the command resolves with, or 1 after an error: an OperatorError prints its message, any other one its stack.
 */
export async function runCommand(command: Command, args: readonly string[]): Promise<void> {
  try {
    const given = readArguments(
      command.readsSettings ? takeEnvFile(args) : args,
      { ...command.options, help: { type: 'boolean' } },
      command.positionals,
    )
    process.exitCode = given.isHelp ? printHelp(command) : await command.run(given)
  } catch (error) {
    console.error(error instanceof OperatorError ? error.message : error)
    process.exit(1)
  }
  if (command.isHeldOpen === true) process.exit()
}

function printHelp({ help }: Command): number {
  console.log(help)
  return 0
}

export const MAX_INT = 2_147_483_647

/** What is wrong with an option's value, as a sentence that begins with its name; null if nothing is. */
export type Check = (value: string, field: string) => string | null

/** The arguments of a command. Problems are gathered, so that all of them are told at once. */
export interface Arguments {
  readonly isHelp: boolean
  readonly positionals: readonly string[]
  has(name: string): boolean
  /** An option's value after its check, undefined where it is absent or was found bad. */
  read(name: string, check: Check): string | undefined
  /** Notes a problem of a name, if there is none yet. */
  refuse(name: string, problem: string): void
  /** Throws UsageError with all problems, where there is any. */
  finish(): void
}

/** Reads options of these types, and as many other arguments as `positionals` says. */
function readArguments(args: readonly string[], types: OptionTypes, positionals = 0): Arguments {
  // Not strict: that would stop at the first problem.
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
  // What looks like the next option is not taken for the value of this one.
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
 * Reads the file of `--env-file FILE`, which every command takes that reads settings, into the environment; variables that are
 * set there already stay. Returns the other arguments. Throws UsageError.
 */
function takeEnvFile(args: readonly string[]): string[] {
  const at = args.findIndex((arg) => arg === ENV_FILE || arg.startsWith(`${ENV_FILE}=`))
  if (at < 0) return [...args]
  const isInline = args[at] !== ENV_FILE
  const path = isInline ? args[at]?.slice(ENV_FILE.length + 1) : args[at + 1]
  if (path === undefined || path === '') throw new UsageError(`${ENV_FILE}: came without a value, expected the path of a file`)
  try {
    process.loadEnvFile(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new UsageError(`${ENV_FILE}: ${path} can't be read (${code ?? message})`)
  }
  return args.toSpliced(at, isInline ? 1 : 2)
}
