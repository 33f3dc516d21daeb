import { parseArgs } from 'node:util'

/**
 * The values of these options; `--help` prints the text, and what is not known ends the process.
 *
 * @param {string} help
 * @param {import('node:util').ParseArgsConfig['options']} options
 * @returns {Record<string, any>}
 */
export function readValues(help, options) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean' } } })
    if (!values.help) return values
  } catch (error) {
    return fail(`${error.message.split('. ')[0]}. See --help.`)
  }
  console.log(help)
  return process.exit()
}

/** Those named in an option, separated by commas; all where it is absent. */
export function choose(values, option, all) {
  const chosen = values[option]?.split(',') ?? all
  const unknown = chosen.filter((name) => !all.includes(name))
  if (unknown.length > 0) fail(`--${option}: came ${unknown.join(', ')}, expected some of ${all.join(', ')}`)
  return chosen
}

/** @returns {number} */
export function number(values, option, min) {
  const value = Number(values[option])
  if (Number.isSafeInteger(value) && value >= min) return value
  return fail(`--${option}: came ${values[option]}, expected an integer from ${min} on`)
}

/**
 * Ends the process: the command line makes no sense.
 *
 * @returns {never}
 */
export function fail(message) {
  console.error(message)
  process.exit(1)
}
