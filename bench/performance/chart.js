import { median } from './statistics.js'

const WIDTH = 860
const NAME_WIDTH = 210
const VALUE_WIDTH = 120
const BAR_HEIGHT = 18
const STEP = 26
const TITLE_HEIGHT = 46
const MARGIN = 12

/** What is drawn, each with a scale of its own. */
const PANELS = [
  {
    case: 'fan-out to 500, window 16',
    title: 'Group of 500, 16 messages under way: CPU for each delivery',
    figure: 'cpuMicrosPerDelivery',
  },
  {
    case: 'fan-out to 500, window 1',
    title: 'Group of 500, one message under way: CPU for each delivery',
    figure: 'cpuMicrosPerDelivery',
  },
  {
    case: 'fan-out to 500 on 2 nodes, window 16',
    title: 'Group of 500 on two nodes with Redis, 16 messages under way: CPU for each delivery',
    figure: 'cpuMicrosPerDelivery',
  },
  {
    case: 'direct chat, window 8',
    title: 'Direct chat of 200 users, stored in PostgreSQL: CPU for each message',
    figure: 'cpuMicrosPerMessage',
  },
]

/** Readable on light and on dark. */
const STYLE = `text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .own { fill: #0969da }
  .other { fill: #9aa4af }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .own { fill: #4493f8 } .other { fill: #656d76 } }`

/**
 * The medians as horizontal bars, in microseconds; empty where nothing was measured that it shows.
 *
 * @param {{ case: string, system: string, figures: Record<string, number> }[]} measurements
 * @param {Record<string, { name: string, isParley: boolean }>} systems
 */
export function chartOf(measurements, systems) {
  let y = MARGIN
  const parts = []
  for (const panel of PANELS) {
    const bars = barsOf(panel, measurements, systems)
    if (bars.length === 0) continue
    parts.push(`<text class="title" x="${MARGIN}" y="${y + 20}">${panel.title}</text>`)
    y += TITLE_HEIGHT - STEP / 2
    const longest = Math.max(...bars.map(({ value }) => value))
    for (const bar of bars) {
      parts.push(barAt(y, bar, longest))
      y += STEP
    }
    y += MARGIN
  }
  if (parts.length === 0) return ''
  const size = `width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="CPU time of the server, less is better">
<style>${STYLE}</style>
${parts.join('\n')}
</svg>
`
}

function barsOf({ case: name, figure }, measurements, systems) {
  return Object.entries(systems).flatMap(([id, system]) => {
    const values = measurements.filter((each) => each.case === name && each.system === id).map(({ figures }) => figures[figure])
    return values.length === 0 ? [] : [{ ...system, value: median(values) }]
  })
}

function barAt(y, { name, isParley, value }, longest) {
  const width = Math.max(1, (value / longest) * (WIDTH - NAME_WIDTH - VALUE_WIDTH))
  const baseline = y + BAR_HEIGHT - 5
  return [
    `<text x="${NAME_WIDTH - 8}" y="${baseline}" text-anchor="end">${name}</text>`,
    `<rect class="${isParley ? 'own' : 'other'}" x="${NAME_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>`,
    `<text x="${(NAME_WIDTH + width + 8).toFixed(1)}" y="${baseline}">${value < 10 ? value.toFixed(2) : value.toFixed(0)} µs</text>`,
  ].join('')
}
