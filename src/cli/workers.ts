/**
 * `WORKERS`: several server processes that share the port. The supervisor only starts them, passes signals on and merges their
 * metrics; to each other they are nodes like any others.
 */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { AggregatorRegistry } from 'prom-client'
import type { Logger } from 'pino'
import type { Settings } from '../settings.ts'
import type { Started } from '../app.ts'
import { onStopSignal } from './signals.ts'

/** Messages between a worker and the supervisor. */
type WorkerMessage =
  | { kind: 'started'; started: Started }
  | { kind: 'metrics-request'; id: number }
  /** One worker's metrics, as prom-client's JSON. */
  | { kind: 'metrics'; id: number; metrics: unknown }
  /** All workers' metrics, in Prometheus' text format. */
  | { kind: 'all-metrics'; id: number; text: string }
  | { kind: 'stop'; signal: NodeJS.Signals }
  | { kind: 'reload' }

/** How long a worker may take to report its metrics. */
const METRICS_MS = 2000
/** A worker that dies is replaced after a pause, which grows while its successors die young. */
const RESTART_MS = 250
const RESTART_MAX_MS = 10_000
const YOUNG_MS = 30_000

export interface Workers {
  /** How the first worker starts; if it can't, the process ends with its exit status. */
  started: Promise<Started>
}

/** Starts the workers, the first one alone, since it migrates the database and finds mistakes in the settings. */
export function startWorkers(settings: Settings, log: Logger): Workers {
  const { workers: count, drainMs } = settings
  let isStopping = false
  let pause = RESTART_MS
  const running = new Set<Worker>()

  function fork(): Worker {
    const bornAt = performance.now()
    const worker = cluster.fork()
    running.add(worker)
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind !== 'metrics-request') return
      const { id } = message
      void allMetrics().then((text) => send(worker, { kind: 'all-metrics', id, text }))
    })
    worker.once('exit', (code, signal) => {
      running.delete(worker)
      if (isStopping || !hasStarted) return
      pause = performance.now() - bornAt < YOUNG_MS ? Math.min(2 * pause, RESTART_MAX_MS) : RESTART_MS
      log.error({ worker: worker.id, code, signal }, 'a worker has died and is started again')
      setTimeout(() => isStopping || fork(), pause)
    })
    return worker
  }

  let merging: Promise<string> | undefined
  /** The metrics of all workers, each series with the worker's number. Workers that ask at the same time share them. */
  const allMetrics = (): Promise<string> => (merging ??= mergedMetrics().finally(() => (merging = undefined)))

  async function mergedMetrics(): Promise<string> {
    const parts = await Promise.all([...running].map((worker) => metricsOf(worker)))
    // Each series has its worker's label, so nothing is merged: summing is the reader's job.
    const all = (parts.filter((part) => part !== undefined) as object[][]).map((part) =>
      part.map((metric) => ({ ...metric, aggregator: 'sum' })),
    )
    return await AggregatorRegistry.aggregate(all).metrics()
  }

  let hasStarted = false
  const first = fork()
  // It has printed what is wrong.
  first.once('exit', (code) => hasStarted || process.exit(code ?? 1))
  const ready = started(first).then((it) => {
    hasStarted = true
    while (running.size < count) fork()
    return it
  })

  onStopSignal((signal) => {
    if (isStopping) {
      for (const worker of running) worker.process.kill('SIGKILL')
      process.exit(1)
    }
    isStopping = true
    log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), drainMs + 1000).unref()
    const exits = [...running].map((worker) => once(worker, 'exit') as Promise<[number | null]>)
    for (const worker of running) send(worker, { kind: 'stop', signal })
    void Promise.all(exits).then((codes) => process.exit(codes.every(([code]) => code === 0) ? 0 : 1))
  })
  process.on('SIGHUP', () => {
    for (const worker of running) send(worker, { kind: 'reload' })
  })
  return { started: ready }
}

function send(worker: Worker, message: WorkerMessage): void {
  // It may be about to end.
  if (worker.isConnected()) worker.send(message, () => undefined)
}

function started(worker: Worker): Promise<Started> {
  return new Promise((resolve) => {
    const listen = (message: WorkerMessage): void => {
      if (message.kind !== 'started') return
      worker.off('message', listen)
      resolve(message.started)
    }
    worker.on('message', listen)
  })
}

let lastRequest = 0

/**
 * Undefined if the worker ends, or does not answer in time. Nothing of the question stays with the worker, which may be asked for months, and by
 * anybody.
 */
function metricsOf(worker: Worker): Promise<unknown> {
  const id = ++lastRequest
  return new Promise((resolve) => {
    const settle = (metrics?: unknown): void => {
      clearTimeout(late)
      worker.off('message', listen)
      worker.off('exit', giveUp)
      resolve(metrics)
    }
    const giveUp = (): void => settle()
    const listen = (message: WorkerMessage): void => {
      if (message.kind === 'metrics' && message.id === id) settle(message.metrics)
    }
    const late = setTimeout(giveUp, METRICS_MS)
    worker.on('message', listen)
    worker.on('exit', giveUp)
    send(worker, { kind: 'metrics-request', id })
  })
}

/** What a worker does for the supervisor. */
export interface WorkerHandlers {
  stop(signal: NodeJS.Signals): void
  reload(): void
  /** This worker's metrics as prom-client's JSON. */
  metrics(): Promise<unknown>
}

/** The worker's side. */
export class WorkerLink {
  readonly #waiting = new Map<number, (text: string) => void>()

  /** Signals reach the whole process group; only the supervisor handles them. */
  listen(handlers: WorkerHandlers): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
    process.on('disconnect', () => handlers.stop('SIGTERM'))
    process.on('message', (message: WorkerMessage) => {
      if (message.kind === 'stop') handlers.stop(message.signal)
      else if (message.kind === 'reload') handlers.reload()
      else if (message.kind === 'metrics-request') {
        void handlers.metrics().then((metrics) => this.#send({ kind: 'metrics', id: message.id, metrics }))
      } else if (message.kind === 'all-metrics') {
        this.#waiting.get(message.id)?.(message.text)
        this.#waiting.delete(message.id)
      }
    })
  }

  started(started: Started): void {
    this.#send({ kind: 'started', started })
  }

  /** The metrics of all workers in Prometheus' text format. */
  allMetrics(): Promise<string> {
    const id = ++lastRequest
    const answer = new Promise<string>((resolve) => this.#waiting.set(id, resolve))
    this.#send({ kind: 'metrics-request', id })
    return answer
  }

  #send(message: WorkerMessage): void {
    process.send?.(message)
  }
}
