import { table } from '../support/table.js'

/** Where the thirds begin and end, as shares of the run: its first tenth is left out, in which the server warms up. */
const THIRDS = [
  [0.1, 0.4],
  [0.4, 0.7],
  [0.7, 1.01],
]

/** How the nodes were in each third of the run, as a Markdown table. */
export function thirdsTable(samples, minutes) {
  const parts = THIRDS.map(([from, to]) =>
    samples.filter(({ seconds }) => seconds >= from * 60 * minutes && seconds < to * 60 * minutes),
  )
  const middle = (list, of) => list.map(of).sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN
  const lag = (list) => {
    const [first, last] = [list[0], list.at(-1)]
    return first && last ? ((last.eventLagSeconds - first.eventLagSeconds) / (last.events - first.events)) * 1000 : NaN
  }
  const row = (name, of, unit) => [name, ...parts.map((list) => `${of(list).toFixed(1)} ${unit}`)]
  const rows = [
    row('heap of both nodes, median', (list) => middle(list, ({ heapMiB }) => heapMiB), 'MiB'),
    row('resident memory of both, median', (list) => middle(list, ({ residentMiB }) => residentMiB), 'MiB'),
    row('event loop, 99th percentile, median', (list) => middle(list, ({ loopLagMs }) => loopLagMs), 'ms'),
    row('event lag, mean', lag, 'ms'),
  ]
  return table(['', 'first third', 'second third', 'last third'], rows)
}
