import cluster from 'node:cluster'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { OperatorError } from '../errors.ts'
import type { App, AppWorker, Started } from '../app.ts'
import { loadSettings, readEnvironment, type Settings } from '../settings.ts'
import { createLog } from '../telemetry/log.ts'
import { startTracing } from '../telemetry/tracing.ts'
import { version } from '../telemetry/version.ts'
import { HELP } from './server-help.ts'
import { describeMisspelt } from '../lib/misspelt.ts'
import type { Command } from './command.ts'
import { onStopSignal } from './signals.ts'
import { startWorkers, WorkerLink, type WorkerHandlers } from './workers.ts'

/** How long to wait for the last traces to be sent. */
const TRACES_MS = 2000

/** Resolves when it serves; from then on signals end the process. */
async function serve(): Promise<void> {
  const { settings, misspelt } = readEnvironment(process.env)
  const log = createLog(settings.logLevel, undefined, cluster.worker?.id)
  if (!cluster.isWorker) for (const each of misspelt) log.warn(each, describeMisspelt(each))

  // After an unexpected failure in the background the process must not go on in an unknown state.
  const die = (error: unknown): void => {
    log.fatal({ err: error }, 'unexpected failure, the process ends')
    process.exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)

  if (cluster.isWorker) return await work(settings, log)
  if (settings.workers > 1) {
    const { started } = startWorkers(settings, log)
    return greet(await started, settings)
  }
  const server = await openServer(settings, log)
  onStopSignal((signal) => server.stop(signal))
  process.on('SIGHUP', () => server.reload())
  greet(await server.start(), settings)
}

/** One of several workers: it stops and reloads when the supervisor says so. */
async function work(settings: Settings, log: Logger): Promise<void> {
  const link = new WorkerLink()
  const id = cluster.worker?.id ?? 1
  const server = await openServer(settings, log, { name: String(id), joins: id > 1, renderAll: () => link.allMetrics() })
  link.listen(server)
  link.started(await server.start())
}

async function openServer(settings: Settings, log: Logger, worker?: AppWorker): Promise<Server> {
  const flushTraces = await startTracing(process.env, { 'service.version': version })
  // Most of what there is to load, which neither --help, a refused setting nor the supervisor of workers needs.
  const { createApp } = await import('../app.ts')
  return new Server(settings, log, createApp(settings, log, worker), flushTraces)
}

/** The app as a process: signals that end it, and files it reloads. */
class Server implements WorkerHandlers {
  readonly #settings: Settings
  readonly #log: Logger
  readonly #app: App
  readonly #flushTraces: () => Promise<unknown>
  #hasStarted = false
  #isStopping = false

  constructor(settings: Settings, log: Logger, app: App, flushTraces: () => Promise<unknown>) {
    this.#settings = settings
    this.#log = log
    this.#app = app
    this.#flushTraces = flushTraces
  }

  async start(): Promise<Started> {
    const started = await this.#app.start()
    this.#hasStarted = true
    return started
  }

  /** Ends the process: the first signal drains, a second one does not wait. Before the start there is nothing to drain. */
  stop(signal: NodeJS.Signals): void {
    if (this.#isStopping || !this.#hasStarted) process.exit(this.#isStopping ? 1 : 0)
    this.#isStopping = true
    this.#log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), this.#settings.drainMs + 500).unref()
    void this.#app
      .stop()
      .then(() => Promise.race([this.#flushTraces().catch(() => undefined), wait(TRACES_MS)]))
      .then(() => process.exit(0))
  }

  /** Certificates are renewed more often than servers are restarted: the files are read again. */
  reload(): void {
    try {
      const { tls } = loadSettings(process.env)
      if (tls) this.#app.useTls(tls)
      this.#log.info(tls ? 'read the certificate again' : 'SIGHUP: there is no certificate to read again')
    } catch (error) {
      this.#log.error({ err: error }, 'the certificate can not be used, the one before stays')
    }
  }

  /** Of a worker that serves. */
  async metrics(): Promise<unknown> {
    return this.#hasStarted ? await this.#app.metrics() : undefined
  }
}

/** Printed for the person who starts the server. */
function greet({ host, port, metricsPort, demoTokens }: Started, { tls, graphiql: hasGraphiql }: Settings): void {
  const isTls = tls !== undefined
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const url = `http${isTls ? 's' : ''}://${authority}`
  const lines = [
    `Parley is ready on ${url}`,
    '',
    ...(demoTokens.length > 0 ? [`  demo                    ${url}/`] : []),
    `  ${hasGraphiql ? 'GraphQL and GraphiQL' : 'GraphQL             '}    ${url}/graphql`,
    `  legacy protocol         ws${isTls ? 's' : ''}://${authority}/ws/connect`,
    ...(metricsPort === undefined ? [] : [`  metrics                 port ${metricsPort}, /metrics and /ready`]),
  ]
  const [first] = demoTokens
  if (first) {
    lines.push('', 'Tokens of the demo users (never in production):', '')
    for (const { userId, name, isAdmin, token } of demoTokens) {
      lines.push(`  ${userId}  ${name}${isAdmin ? ' (admin)' : ''}`, `     ${token}`)
    }
    lines.push('', `Open a legacy connection as ${first.name}:`, '')
    lines.push(`  npx wscat -c ws${isTls ? 's' : ''}://${authority}/ws/connect -H "Authorization: Bearer ${first.token}"`, '')
  }
  console.log(lines.join('\n'))
}

/** Why the address can't be listened on, in words; undefined for any other error. */
function problemWithListening({ code = '', syscall = '', ...rest }: NodeJS.ErrnoException): string | undefined {
  const { address, port, hostname } = rest as { address?: string; port?: number; hostname?: string }
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return undefined
  const advice =
    { EADDRINUSE: 'set another PORT, 0 picks one', EACCES: 'set a PORT from 1024 on' }[code] ??
    'set HOST to an address of this machine, 0.0.0.0 for all of them'
  return `HOST, PORT: can't listen on ${hostname ?? address}${port === undefined ? '' : `:${port}`} (${code}); ${advice}`
}

export const start: Command = {
  help: HELP,
  options: {},
  readsSettings: true,
  async run(given) {
    given.finish()
    try {
      await serve()
    } catch (error) {
      const listening = problemWithListening(error as NodeJS.ErrnoException)
      throw listening === undefined ? error : new OperatorError(listening)
    }
    return 0
  },
}
