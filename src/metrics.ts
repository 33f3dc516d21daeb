import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'

export interface Metrics {
  /** What went wrong behind nobody's request, by stage. */
  failed(stage: string): void
  /** The metrics in Prometheus' text format. */
  render(): Promise<{ contentType: string; text: string }>
}

/** The metrics of one server. `connections` tells how many are open, by protocol. */
export function createMetrics(connections: () => Readonly<Record<string, number>>): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const failures = new Counter({
    name: 'parley_failures_total',
    help: 'Failures that no client was told of, by stage',
    labelNames: ['stage'],
    registers: [registry],
  })
  registry.registerMetric(
    new Gauge({
      name: 'parley_connections',
      help: 'Open connections, by protocol',
      labelNames: ['protocol'],
      registers: [],
      collect() {
        for (const [protocol, count] of Object.entries(connections())) this.set({ protocol }, count)
      },
    }),
  )
  return {
    failed: (stage) => failures.inc({ stage }),
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  }
}
