import { table } from '../support/table.js'

const HEADER = [
  'scenario',
  'system',
  'acknowledged',
  'delivered',
  'repeats',
  'out of order',
  'not concurrent',
  'longest catch-up',
  'memory',
  'crashes',
]

/**
 * The runs as a Markdown table.
 *
 * @param {{ scenario: string, title: string, system: string, result?: object, error?: string }[]} runs
 */
export function tableOf(runs) {
  const rows = runs.map(({ scenario, title, system, result, error }) => {
    return [`${scenario}: ${title}`, system, ...(result ? figuresOf(result) : [error])]
  })
  return table(HEADER, rows)
}

function figuresOf(result) {
  const { acknowledged, unacknowledged, repeats, outOfOrder, outOfAckOrder, longestHealMs, peakRssBytes, crashes } = result
  return [
    unacknowledged > 0 ? `${acknowledged} of ${acknowledged + unacknowledged}` : String(acknowledged),
    percent(result),
    String(repeats),
    String(outOfOrder),
    String(outOfAckOrder),
    longestHealMs === null ? 'never' : `${(longestHealMs / 1000).toFixed(1)} s`,
    `${Math.round(Math.max(...peakRssBytes) / 2 ** 20)} MiB`,
    String(crashes),
  ]
}

/** Rounded down: 100 % only where nothing is missing. */
function percent({ expected, missing }) {
  if (missing === 0) return expected > 0 ? '100.0 %' : 'none'
  return `${(Math.floor((1 - missing / expected) * 10_000) / 100).toFixed(2)} % (${missing} missing)`
}
