import { monitorEventLoopDelay } from 'node:perf_hooks'

/**
 * Loaded into the server before its own code (`--import`): answers the bench over the IPC channel. The server itself
 * knows nothing of it.
 */
const TICK_MS = 5
const delay = monitorEventLoopDelay({ resolution: TICK_MS })
delay.enable()

/** The longest turn of the event loop, in milliseconds of CPU time: other processes on the machine don't count in it. */
let longestTurnCpuMs = 0
let before = process.cpuUsage()
setInterval(() => {
  const { user, system } = process.cpuUsage(before)
  before = process.cpuUsage()
  longestTurnCpuMs = Math.max(longestTurnCpuMs, (user + system) / 1000 - TICK_MS)
}, TICK_MS).unref()

const answers = {
  memory() {
    for (let run = 0; run < 3; run++) globalThis.gc()
    const { heapUsed, external, rss } = process.memoryUsage()
    return { heapBytes: heapUsed + external, rssBytes: rss }
  },
  turns() {
    const result = { longestTurnMs: delay.max / 1e6, longestTurnCpuMs }
    delay.reset()
    longestTurnCpuMs = 0
    return result
  },
}

if (process.send) {
  process.on('message', (/** @type {{ ask: string }} */ { ask }) => process.send({ ask, answer: answers[ask]() }))
  // The server decides when it ends.
  process.channel.unref()
}
