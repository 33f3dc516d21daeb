import { listening } from '../support/listening.js'
import { end, launch } from '../support/processes.js'
import { familyCpuSeconds, residentBytes } from './proc.js'

/**
 * Starts a server on a core of its own; resolves when it listens.
 *
 * @param {object} options
 * @param {string} options.entry
 * @param {Record<string, string>} options.env
 * @param {number} options.core
 * @param {string} options.logFile what it prints
 * @param {string} [options.runtime] the program that runs it, if not this Node.js
 * @param {string[]} [options.nodeOptions] of Node.js
 */
export async function startServer({ entry, env, core, logFile, runtime, nodeOptions = [] }) {
  const { PATH, HOME } = process.env
  const command = runtime === undefined ? [process.execPath, ...nodeOptions] : [runtime]
  const args = ['--cpu-list', String(core), ...command, entry]
  const child = launch('taskset', args, { env: { PATH, HOME, PORT: '0', NODE_ENV: 'production', ...env }, logFile })
  const port = await listening(child, logFile)
  if (port === undefined) throw new Error(`a server ended, see ${logFile}`)
  return {
    port,
    /** With its workers. */
    cpuSeconds: () => familyCpuSeconds(child.pid),
    residentBytes: () => residentBytes(child.pid),
    stop: () => end(child),
  }
}
