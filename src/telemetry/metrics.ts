import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { createCounts, type Counts } from './counters.ts'

export interface Metrics {
  readonly counts: Counts
  /** Sets where gauges are read from; until then they are left out. */
  watch(probes: Probes): void
  /** Failures in the background, by stage. */
  failed(stage: string): void
  /** The metrics in Prometheus' text format. */
  render(): Promise<{ contentType: string; text: string }>
  /** The same as JSON, for the supervisor that merges those of several workers. */
  asJson(): Promise<unknown>
}

/** If this process is one of several workers: its label, and the metrics of all. */
export interface WorkerMetrics {
  name: string
  renderAll(): Promise<string>
}

/** The values of the gauges. */
export interface Probes {
  /** Open connections by protocol. */
  connections: () => Readonly<Record<string, number>>
  /** Buffered outbound bytes: of all sockets together, and of the largest one. */
  queued: () => { sum: number; max: number }
  /** Number of topics listened to. */
  topics: () => number
  /** Connections to the database; undefined if there is no pool. */
  pool: () => { total: number; idle: number; waiting: number } | undefined
  /** Whether Redis is connected; undefined if there is none. */
  redis: () => boolean | undefined
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

/** The metrics of one server. */
// oxlint-disable-next-line max-lines-per-function -- a table: an entry for each metric
export function createMetrics(worker?: WorkerMetrics): Metrics {
  let probes: Partial<Probes> = {}
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  if (worker) registry.setDefaultLabels({ worker: worker.name })

  const histogram = (name: string, help: string, buckets: number[]): ((value: number) => void) => {
    const made = new Histogram({ name, help, buckets, registers })
    return (value) => made.observe(value)
  }
  const counts = createCounts({
    batch: histogram('parley_batch_messages', 'How many messages a statement stored', SIZES),
    acceptedToCommitted: histogram('parley_commit_seconds', 'From taking a message in until its commit', SECONDS),
    committedToWritten: histogram(
      'parley_write_seconds',
      'From the commit of a batch until what it caused on this node was written, of a long group to its first sockets',
      SECONDS,
    ),
    lag: histogram('parley_event_lag_seconds', "From an event's time until a topic delivered it on this node", SECONDS),
  })

  type Read<L extends string> = () => Iterable<readonly [Record<L, string>, number]>
  /** A metric that is counted elsewhere; `read` returns the values by label. */
  const collected =
    (Kind: typeof Counter | typeof Gauge) =>
    <L extends string>(name: string, help: string, labelNames: L[], read: Read<L>): void => {
      const collect = (): void => {
        metric.reset()
        for (const [labels, value] of read()) metric.inc(labels, value)
      }
      const metric = new Kind({ name, help, labelNames, registers, collect })
    }
  const counter = collected(Counter)
  const gauge = collected(Gauge)
  const single = (name: string, help: string, read: () => number): void => counter(name, help, [], () => [[{}, read()]])
  /** Keys of two words become two labels. */
  const byLabels = <A extends string, B extends string>(map: ReadonlyMap<string, number>, first: A, second: B) =>
    [...map].map(([key, count]) => {
      const [one = '', other = ''] = key.split(' ')
      return [{ [first]: one, [second]: other } as Record<A | B, string>, count] as const
    })

  const failures = new Counter({
    name: 'parley_failures_total',
    help: 'Failures that were not reported to a client, by stage',
    labelNames: ['stage'],
    registers,
  })
  gauge('parley_connections', 'Open connections, by protocol', ['protocol'], () =>
    Object.entries(probes.connections?.() ?? {}).map(([protocol, count]) => [{ protocol }, count]),
  )
  gauge('parley_topics', 'Topics that this node listens to', [], () => [[{}, probes.topics?.() ?? 0]])
  gauge('parley_queued_bytes', 'Buffered outbound bytes: of all sockets together, and of the largest one', ['of'], () => {
    const { sum, max } = probes.queued?.() ?? { sum: 0, max: 0 }
    return [
      [{ of: 'all' }, sum],
      [{ of: 'most' }, max],
    ]
  })
  gauge('parley_database_pool', 'Connections of the pool, and callers that wait for one', ['state'], () =>
    Object.entries(probes.pool?.() ?? {}).map(([state, count]) => [{ state }, count]),
  )
  gauge('parley_redis_up', 'Whether Redis is connected', [], () => {
    const isUp = probes.redis?.()
    return isUp === undefined ? [] : [[{}, isUp ? 1 : 0]]
  })
  counter('parley_frames_total', 'Received frames and messages, by protocol and type', ['protocol', 'type'], () =>
    byLabels(counts.frames, 'protocol', 'type'),
  )
  counter('parley_operations_total', 'Operations, by type and by ok or the code of the error', ['type', 'result'], () =>
    byLabels(counts.operations, 'type', 'result'),
  )
  counter(
    'parley_deliveries_total',
    'Events delivered to clients, by protocol and class: durable, or unkept for ephemeral',
    ['protocol', 'class'],
    () =>
      Object.entries(counts.deliveries).flatMap(([protocol, { durable, ephemeral }]) => [
        [{ protocol, class: 'durable' }, durable],
        [{ protocol, class: 'unkept' }, ephemeral],
      ]),
  )
  single('parley_executions_total', 'Executions of subscriptions', () => counts.executions)
  single('parley_executions_saved_total', 'Executions saved because subscribers shared one', () => counts.executionsSaved)
  counter(
    'parley_drops_total',
    'Effects of slow clients: ephemeral frames (unkept) that a later one replaced, and sockets that were closed',
    ['class'],
    () => [
      [{ class: 'unkept' }, counts.ephemeralDropped],
      [{ class: 'socket' }, counts.tooSlow],
    ],
  )
  single('parley_healed_events_total', 'Events that a topic had to read from the log', () => counts.caughtUp)
  single('parley_replayed_events_total', 'Events delivered by resumes', () => counts.replayed)
  counter('parley_replays_total', 'Resumes, by whether they were complete', ['complete'], () => [
    [{ complete: 'true' }, counts.replays.complete],
    [{ complete: 'false' }, counts.replays.incomplete],
  ])
  counter('parley_left_out_events_total', 'Events that could not be delivered and were left out, by reason', ['reason'], () => [
    [{ reason: 'message_gone' }, counts.leftOut.messageGone],
    [{ reason: 'unreadable' }, counts.leftOut.unreadable],
    [{ reason: 'execution_failed' }, counts.leftOut.executionFailed],
  ])
  single('parley_rate_limited_total', 'Requests that the rate limit refused', () => counts.limited)

  return {
    counts,
    watch(added) {
      probes = added
    },
    failed: (stage) => failures.inc({ stage }),
    render: async () => ({ contentType: registry.contentType, text: await (worker ? worker.renderAll() : registry.metrics()) }),
    asJson: () => registry.getMetricsAsJSON(),
  }
}
