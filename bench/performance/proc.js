import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { sleep } from '../support/processes.js'

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const IDLE_MS = 300
/** Of one core. */
const IDLE_SHARE = 0.1

/** The CPU time that a process has taken so far, all its threads, in the kernel too, in seconds. */
export const cpuSeconds = (pid) => cpuSecondsIn(statOf(pid))

const cpuSecondsIn = (fields) => (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND

/** The same of a process and its children, those that have ended too. */
export function familyCpuSeconds(pid) {
  const fields = statOf(pid)
  const ended = (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [statIfLiving(name)] : []))
  const living = all.filter((each) => Number(each?.[1]) === pid)
  return living.reduce((sum, child) => sum + cpuSecondsIn(child), cpuSecondsIn(fields) + ended)
}

/** Undefined for a process that has ended meanwhile. */
function statIfLiving(pid) {
  try {
    return statOf(pid)
  } catch {
    return undefined
  }
}

/** From the third field on: the second one, the name in parentheses, may hold spaces. */
function statOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** The memory that a process has resident, in bytes. */
export function residentBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(kilobytes) * 1024
}

/** How long a core has been busy so far, with all processes, in seconds. */
export function coreBusySeconds(core) {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[core + 1]
  const [name, user, nice, system, , , irq, softirq, steal] = line.split(' ')
  if (name !== `cpu${core}`) throw new Error(`/proc/stat does not tell of core ${core}`)
  return [user, nice, system, irq, softirq, steal].reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
}

/** Resolves when the cores have next to nothing to do, or the patience is over. */
export async function coresIdle(cores, patienceMs) {
  const busy = () => cores.reduce((sum, core) => sum + coreBusySeconds(core), 0)
  for (const deadline = performance.now() + patienceMs; performance.now() < deadline;) {
    const before = busy()
    await sleep(IDLE_MS)
    if (busy() - before <= (IDLE_SHARE * IDLE_MS) / 1000) return
  }
}

/** Sees to it that this process may open so many files. */
export function allowOpenFiles(count) {
  if (openFilesLimit() >= count) return
  try {
    execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${count}`], { stdio: 'ignore' })
  } catch {
    // Looked at below.
  }
  if (openFilesLimit() < count) throw new Error(`${count} open files are needed, raise the limit: ulimit -n ${count}`)
}

/** Node raises the soft limit to the hard one when it starts. */
function openFilesLimit() {
  const [, soft] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
  return soft === 'unlimited' ? Infinity : Number(soft)
}
