// Writes the tables of README.md, docs/benchmarks.md and docs/SECURITY.md from bench/results: `npm run figures`. With --check it only compares, and exits 1
// where a table is not what the results say.
import { readFileSync, writeFileSync } from 'node:fs'
import { attacks } from './hostile/attacks/index.js'
import { median } from './performance/statistics.js'
import { thirdsTable } from './soak/thirds.js'
import { table } from './support/table.js'

const PAGES = {
  'README.md': { 'costs in short': costsInShort, 'faults in short': faultsInShort },
  'docs/benchmarks.md': {
    costs,
    capacity,
    'long groups': longGroups,
    soak,
    thirds,
    'slow consumers': slowConsumers,
    faults: () => faults('faults'),
    resume: () => faults('resume'),
    inbox,
    cursor: cursors,
    searches: () => databaseTime('messages'),
    'searches for users': () => databaseTime('users'),
    'read state': () => databaseTime('read state'),
  },
  'docs/SECURITY.md': { 'hostile user': hostile },
}
const load = (name) => JSON.parse(readFileSync(new URL(`results/${name}.json`, import.meta.url), 'utf8'))
const grouped = (value) => Math.round(value).toLocaleString('en-US')

const performance = load('performance')

/** The median of the rounds; undefined where it was not measured. */
function figure(name, system, key) {
  const values = performance.measurements
    .filter((each) => each.case === name && each.system === system && key in each.figures)
    .map(({ figures }) => figures[key])
  return values.length === 0 ? undefined : median(values)
}

const SYSTEMS = {
  'parley-legacy': 'Parley, legacy',
  'parley-graphql': 'Parley, graphql-ws',
  ws: '`ws` loop',
  'ws-framed': '`ws`, frame built once',
  'ws-insert': '`ws` + INSERT',
  'ws-batch': '`ws` + INSERT in batches',
  bun: 'Bun `publish`',
  socketio: 'Socket.IO',
  yoga: 'Yoga + graphql-ws + Prisma',
}

const COMPRESSED = (kind) => `fan-out to 500, compression ${kind}, window 16`

const COSTS = [
  ['us a delivery: group of 500, 16 messages under way', 'fan-out to 500, window 16', 'cpuMicrosPerDelivery'],
  ['us a delivery: group of 500, one at a time', 'fan-out to 500, window 1', 'cpuMicrosPerDelivery'],
  ['us a delivery: group of 50, 16 under way', 'fan-out to 50, window 16', 'cpuMicrosPerDelivery'],
  ['us a delivery: group of 5000, 16 under way', 'fan-out to 5000, window 16', 'cpuMicrosPerDelivery'],
  ['us a delivery: group of 500 on two nodes, 16 under way', 'fan-out to 500 on 2 nodes, window 16', 'cpuMicrosPerDelivery'],
  ...['off', 'for each socket', 'shared'].flatMap((kind) => [
    [`us a delivery: group of 500, 16 under way, compression ${kind}`, COMPRESSED(kind), 'cpuMicrosPerDelivery'],
    ['bytes a delivery, the same', COMPRESSED(kind), 'bytesPerDelivery'],
  ]),
  ['us a message: 200 users in pairs, one at a time', 'direct chat, window 1', 'cpuMicrosPerMessage'],
  ['messages a second, the same', 'direct chat, window 1', 'messagesPerSecond'],
  ['us a message: 200 users in pairs, 8 under way', 'direct chat, window 8', 'cpuMicrosPerMessage'],
  ['messages a second, the same', 'direct chat, window 8', 'messagesPerSecond'],
  ['us a message with the database’s, the same', 'direct chat, window 8', 'allMicrosPerMessage'],
  ['us a connection: token, feed, presence', 'connect', 'cpuMicrosPerConnection'],
  ['KiB of memory an idle connection, of the first 5000', 'idle, 5000 connections', 'bytesPerConnection'],
  ['the same, of 10,000 more', 'idle, from 5000 to 15000 connections', 'bytesPerConnection'],
]

const SHOW = {
  bytesPerDelivery: (value) => value.toFixed(0),
  cpuMicrosPerDelivery: (value) => value.toFixed(2),
  cpuMicrosPerMessage: (value) => value.toFixed(0),
  allMicrosPerMessage: (value) => value.toFixed(0),
  cpuMicrosPerConnection: (value) => value.toFixed(0),
  messagesPerSecond: grouped,
  bytesPerConnection: (value) => (value / 1024).toFixed(1),
}

/** Milliseconds by the length of the history. */
function inbox() {
  const { results } = load('inbox')
  const sizes = Object.keys(results)
  const header = ['median, ms', ...sizes.map((size) => `${grouped(Number(size))} messages in each group`)]
  return table(
    header,
    Object.keys(results[sizes[0]]).map((name) => [name, ...sizes.map((size) => results[size][name].toFixed(1))]),
  )
}

const CURSOR_QUERIES = {
  small: 'the viewer alone',
  start: '20 conversations with last message, count and members, and notifications',
  history: '30 messages with senders, reactions and receipts',
}

function cursors() {
  const rows = Object.entries(load('cursor').results).map(([name, { ratio, measured }]) => {
    const milliseconds = (which, part) => median(measured.map((round) => round[which][part])).toFixed(2)
    const cells = ['without', 'with'].flatMap((which) => ['node', 'database'].map((part) => milliseconds(which, part)))
    return [CURSOR_QUERIES[name], ...cells, ratio.toFixed(2)]
  })
  return table(['ms CPU a query', 'node', 'PostgreSQL', 'with cursor: node', 'PostgreSQL', 'ratio of the sums'], rows)
}

/** Milliseconds of database time for each request of a kind, by the clock. */
function databaseTime(kind) {
  const rows = Object.entries(load('search').results[kind])
  return table(
    ['database time, ms', 'median', 'longest'],
    rows.map(([name, { median: middle, longest }]) => [name, middle.toFixed(1), longest.toFixed(1)]),
  )
}

/** Rows of COSTS for some of the systems, those that were measured. */
function costsOf(rows, systems) {
  const measured = rows.filter(([, name, key]) => systems.some((system) => figure(name, system, key) !== undefined))
  const cells = measured.map(([title, name, key]) => [
    title,
    ...systems.map((system) => {
      const value = figure(name, system, key)
      return value === undefined ? '' : SHOW[key](value)
    }),
  ])
  return table(['server CPU, or as said', ...systems.map((system) => SYSTEMS[system])], cells)
}

function costs() {
  const isMeasured = (system) => performance.measurements.some((each) => each.system === system)
  return costsOf(COSTS, Object.keys(SYSTEMS).filter(isMeasured))
}

/** What the README shows of it. */
function costsInShort() {
  const shown = [
    'fan-out to 500, window 16',
    'fan-out to 500, window 1',
    'direct chat, window 8',
    'connect',
    'idle, 5000 connections',
    'idle, from 5000 to 15000 connections',
  ]
  const rows = COSTS.filter(([, name, key]) => shown.includes(name) && key !== 'messagesPerSecond')
  return costsOf(rows, ['parley-legacy', 'parley-graphql', 'ws', 'socketio', 'yoga'])
}

/** When the members of a long group have a message, and how long others wait meanwhile. */
function longGroups() {
  const systems = ['parley-legacy', 'parley-graphql', 'ws']
  const figures = [
    ['until half of them have it', 'middleMs'],
    ['until the last one has it', 'lastMs'],
    ['how long the pings of others take, p99', 'othersWaitMs'],
    ['the same, the longest', 'othersLongestMs'],
  ]
  const rows = [5000, 15_000].flatMap((size) =>
    figures.map(([title, key]) => [
      `${grouped(size)} members: ${title}`,
      ...systems.map((system) => figure(`long group of ${size}`, system, key).toFixed(1)),
    ]),
  )
  return table(['ms', ...systems.map((system) => SYSTEMS[system])], rows)
}

/** To two digits. */
function roundDown(value) {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1)
  return Math.floor(value / unit) * unit
}

/** What a core that does nothing else does in a second, by the CPU time that one of it takes. */
function capacity() {
  const each = (show) => ['parley-legacy', 'parley-graphql'].map(show)
  const aSecond = (name, key) => each((system) => grouped(roundDown(1e6 / figure(name, system, key))))
  const rows = [
    ['deliveries to a group of 500, 16 messages under way', ...aSecond('fan-out to 500, window 16', 'cpuMicrosPerDelivery')],
    ['the same, one message at a time', ...aSecond('fan-out to 500, window 1', 'cpuMicrosPerDelivery')],
    ['the same on two nodes, 16 under way', ...aSecond('fan-out to 500 on 2 nodes, window 16', 'cpuMicrosPerDelivery')],
    // What was measured and not what the node's core could do: the database's is as busy.
    [
      'direct messages, 200 users in pairs, 8 under way',
      ...each((system) => grouped(figure('direct chat, window 8', system, 'messagesPerSecond'))),
    ],
    ['connections opened', ...aSecond('connect', 'cpuMicrosPerConnection')],
    [
      'idle connections in 1 GiB',
      ...each((system) => grouped(roundDown(2 ** 30 / figure('idle, 5000 connections', system, 'bytesPerConnection')))),
    ],
  ]
  return table(['a second, on one core of a node', 'legacy', 'graphql-ws'], rows)
}

function soak() {
  const { acknowledged, deliveries, missing, doubled, closes } = load('soak')
  const cut = Object.values(closes).reduce((sum, count) => sum + count, 0)
  return table(
    ['messages acknowledged', 'deliveries owed', 'missing', 'twice', 'connections cut'],
    [[acknowledged, deliveries + missing, missing, doubled, cut].map(grouped)],
  )
}

function thirds() {
  const { samples, minutes } = load('soak')
  return thirdsTable(samples, minutes)
}

function slowConsumers() {
  const { slowCount, without, withSlow } = load('slow-consumers')
  const row = (title, of) => [
    title,
    of.perSecond.toFixed(0),
    `${of.p50.toFixed(1)} ms`,
    `${of.p99.toFixed(1)} ms`,
    `${of.deliveries} of ${of.owed}`,
    `${of.maxResidentMiB.toFixed(0)} MiB`,
    String(of.closed),
  ]
  const header = ['members who read nothing', 'messages a second', 'latency p50', 'p99', 'deliveries to the others']
  return table(
    [...header, 'most memory of the server', 'closed with 4508'],
    [row('none', without), row(`${slowCount} that read nothing`, withSlow)],
  )
}

/** Rounded down: 100 % only where nothing is missing. */
const arrived = ({ expected, missing }) =>
  missing === 0 ? '100.0 %' : `${(Math.floor((1 - missing / expected) * 10_000) / 100).toFixed(2)} %`

function faults(results) {
  const { runs } = load(results)
  const systems = [...new Set(runs.map(({ system }) => system))]
  const titles = [...new Set(runs.map(({ title }) => title))]
  const cell = (result) => {
    const { missing, outOfOrder, repeats, longestHealMs } = result
    return [
      `${arrived(result)}${missing === 0 ? '' : ` (${missing} lost)`}`,
      `${outOfOrder} out of order`,
      ...(repeats > 0 ? [`${repeats} repeated`] : []),
      ...(longestHealMs === null || missing > 0 ? [] : [`${(longestHealMs / 1000).toFixed(1)} s`]),
    ].join(', ')
  }
  const rows = titles.map((title) => [
    title,
    ...systems.map((system) => {
      const run = runs.find((each) => each.title === title && each.system === system)
      return run === undefined ? '' : run.result ? cell(run.result) : run.error
    }),
  ])
  return table(['what happens', ...systems], rows)
}

/** What the README shows of it: deliveries that arrived. */
function faultsInShort() {
  const { runs } = load('faults')
  const systems = [...new Set(runs.map(({ system }) => system))]
  const titles = [...new Set(runs.map(({ title }) => title))]
  const rows = titles.map((title) => [
    title,
    ...systems.map((system) => {
      const result = runs.find((each) => each.title === title && each.system === system)?.result
      return result ? arrived(result) : ''
    }),
  ])
  return table(['deliveries that arrive when', ...systems], rows)
}

/** The attacks that the results hold for either engine, beside version 0.1. */
function hostile() {
  const { results } = load('hostile')
  const before = load('hostile-0.1').results
  const engines = ['postgres', 'embedded']
  const wait = (result) =>
    !result
      ? ''
      : result.ending
        ? 'the process ended'
        : result.asks?.longest == null
          ? ''
          : `${Math.round(result.asks.longest)} ms`
  const memory = (value) => (value == null ? '' : String(Math.max(0, Math.round(value))))
  const rows = attacks
    .filter(({ id }) => engines.some((engine) => results[engine]?.[id]))
    .map(({ id, title }) => [
      `${id}: ${title}`,
      ...engines.flatMap((engine) => {
        const result = results[engine]?.[id]
        return [wait(before[engine]?.[id]), wait(result), result?.asks?.p99 == null ? '' : `${Math.round(result.asks.p99)} ms`]
      }),
      [...new Set(engines.map((engine) => memory(results[engine]?.[id]?.heapMiB)).filter(Boolean))].join(', '),
    ])
  const columns = [
    ['PostgreSQL: longest wait in 0.1', 'now', 'p99'],
    ['embedded: longest wait in 0.1', 'now', 'p99'],
  ]
  return table(['attack', ...columns.flat(), 'MiB kept'], rows)
}

/** The page with every table as the results say. */
function withTables(path, page) {
  return Object.entries(PAGES[path]).reduce((text, [name, make]) => {
    const [begin, end] = [`<!-- table: ${name} -->`, '<!-- end of table -->']
    const from = text.indexOf(begin)
    const to = text.indexOf(end, from)
    if (from < 0 || to < 0) throw new Error(`${path} has no place for the table "${name}"`)
    return `${text.slice(0, from)}${begin}\n\n${make()}\n\n${text.slice(to)}`
  }, page)
}

for (const path of Object.keys(PAGES)) {
  const file = new URL(`../${path}`, import.meta.url)
  const page = readFileSync(file, 'utf8')
  const right = withTables(path, page)
  if (!process.argv.includes('--check')) writeFileSync(file, right)
  else if (page !== right) {
    console.error(`${path} does not show what bench/results hold: npm run figures, in bench/`)
    process.exitCode = 1
  }
}
