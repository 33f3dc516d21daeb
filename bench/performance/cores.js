import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Keeps this process, and what it starts from now on, on one core; servers are started on another one.
 *
 * @returns {{ generator: number, server: number }} the cores
 */
export function takeCores() {
  const cores = allowedCores()
  if (cores.length < 2) throw new Error('the bench needs two cores: one for the servers, one for the generator')
  const [generator, server] = [cores[0], cores.at(-1)]
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(generator), String(process.pid)], { stdio: 'ignore' })
  return { generator, server }
}

function allowedCores() {
  const [, list] = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}
