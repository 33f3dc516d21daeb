import { table } from '../support/table.js'
import { median, spread } from './statistics.js'
import { targets } from './targets.js'

/** What the tables show, where it was measured. */
const FIGURES = [
  { key: 'cpuMicrosPerDelivery', unit: 'us a delivery', show: (value) => value.toFixed(2) },
  { key: 'bytesPerDelivery', unit: 'bytes a delivery', show: (value) => value.toFixed(0) },
  { key: 'cpuMicrosPerMessage', unit: 'us a message', show: (value) => value.toFixed(0) },
  { key: 'databaseMicrosPerMessage', unit: 'us of the database a message', show: (value) => value.toFixed(0) },
  { key: 'cpuMicrosPerConnection', unit: 'us a connection', show: (value) => value.toFixed(0) },
  { key: 'bytesPerConnection', unit: 'KiB a connection', show: (value) => (value / 1024).toFixed(1) },
  { key: 'statementsPerMessage', unit: 'statements a message', show: (value) => value.toFixed(2) },
  { key: 'commandsPerMessage', unit: 'Redis commands a message', show: (value) => value.toFixed(2) },
  { key: 'middleMs', unit: 'ms until half of them have it', show: (value) => value.toFixed(1) },
  { key: 'lastMs', unit: 'ms until the last has it', show: (value) => value.toFixed(1) },
  { key: 'slowestLastMs', unit: 'ms at the longest', show: (value) => value.toFixed(1) },
  { key: 'othersWaitMs', unit: 'ms that others wait, p99', show: (value) => value.toFixed(1) },
  { key: 'othersLongestMs', unit: 'ms at the longest', show: (value) => value.toFixed(1) },
  { key: 'messagesPerSecond', unit: 'messages/s', show: (value) => value.toFixed(0) },
]

/** The figures of one measurement in a line. */
export const brief = (figures) => {
  const shown = FIGURES.filter(({ key }) => key in figures)
  return shown.map(({ key, unit, show }) => `${show(figures[key])} ${unit}`).join(', ')
}

/** What was measured, by case and system: median and range of the rounds. */
export function measurementsTable(measurements, systems) {
  const rows = [...new Set(measurements.map((each) => each.case))].flatMap((name) => {
    const ofCase = measurements.filter((each) => each.case === name)
    return Object.entries(systems).flatMap(([id, { name: systemName }]) => {
      const all = ofCase.filter(({ system }) => system === id).map(({ figures }) => figures)
      if (all.length === 0) return []
      const of = (key) => all.map((figures) => figures[key])
      const shown = FIGURES.filter(({ key }) => key in all[0]).map(({ key, unit, show }) => `${spread(of(key), show)} ${unit}`)
      const busy = 'cpuShare' in all[0] ? `${Math.round(median(of('cpuShare')) * 100)} % busy` : undefined
      return [[name, systemName, [...shown, busy].filter(Boolean).join('; ')]]
    })
  })
  return table(['case', 'system', 'median (range)'], rows)
}

/** The ratios that are aimed at, and whether they are reached. */
export function targetsTable(measurements) {
  const rows = ratiosOf(measurements).map(({ what, figure, of, by, ratios, aim, isMet }) => {
    const pair = of === by ? of : `${of} / ${by}`
    return [what, figure, pair, spread(ratios, (ratio) => ratio.toFixed(3)), aim, isMet ? 'yes' : 'no']
  })
  return table(['case', 'figure', 'ratio of', 'median (range)', 'target', 'met'], rows)
}

/** Each target with its ratio in every round in which both sides were measured; without those that never were. */
export function ratiosOf(measurements) {
  const valuesOf = ([system, name], figure) => {
    const own = measurements.filter((each) => each.case === name && each.system === system)
    return new Map(own.map(({ round, figures }) => [round, figures[figure]]))
  }
  return targets.flatMap(({ what, figure, of, by, atMost, atLeast }) => {
    const divisors = valuesOf(by, figure)
    const rounds = [...valuesOf(of, figure)].filter(([round]) => divisors.has(round))
    if (rounds.length === 0) return []
    const ratios = rounds.map(([round, value]) => value / divisors.get(round))
    const isMet = atMost === undefined ? median(ratios) >= atLeast : median(ratios) <= atMost
    const aim = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`
    return [{ what, figure, of: of[0], by: by[0], ratios, median: median(ratios), aim, isMet }]
  })
}
