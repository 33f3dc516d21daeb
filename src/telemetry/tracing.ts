import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Link,
  type Span,
} from '@opentelemetry/api'

/**
 * OpenTelemetry traces of the effects of a frame or an operation, on every node. Off unless an endpoint is configured: callers
 * check `tracing.isOn` first, which is the whole cost then.
 */
export const tracing = { isOn: false }

/** The W3C Trace Context header that identifies a span elsewhere. */
export type TraceParent = string

/**
 * Starts sending spans if OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT) is set; the SDK reads the other variables itself
 * (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS). Resolves with a function that sends the last ones.
 */
export async function startTracing(env: NodeJS.ProcessEnv, attributes: Attributes): Promise<() => Promise<void>> {
  if (!env['OTEL_EXPORTER_OTLP_ENDPOINT'] && !env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) return () => Promise.resolve()
  // 10 MB of code that is needed only with it.
  const [{ BatchSpanProcessor, NodeTracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ])
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': env['OTEL_SERVICE_NAME'] ?? 'parley', ...attributes }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  })
  provider.register()
  tracing.isOn = true
  return async () => {
    tracing.isOn = false
    await provider.shutdown()
  }
}

const tracer = () => trace.getTracer('parley')

interface SpanAbout {
  name: string
  attributes?: Attributes
  kind?: SpanKind
  /** The parent span, if it is not the current one. */
  parent?: TraceParent | undefined
  /** Spans whose work it does together. */
  links?: readonly (TraceParent | undefined)[]
}

export { SpanKind }

/** Runs in a span of its own, which ends with the promise of `run`; `isFailure` says whether its result is a failure. */
export function inSpan<T>(
  { name, attributes = {}, kind = SpanKind.INTERNAL, parent, links }: SpanAbout,
  run: () => T,
  isFailure?: (result: Awaited<T>) => boolean,
): T {
  const base = parent !== undefined ? contextOf(parent) : links ? ROOT_CONTEXT : context.active()
  const span = tracer().startSpan(name, { attributes, kind, links: linksTo(links ?? []) }, base)
  const end = (result: Awaited<T>): Awaited<T> => {
    if (isFailure?.(result)) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
    return result
  }
  const fail = (error: unknown): never => {
    span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
    throw error
  }
  try {
    const result = context.with(trace.setSpan(base, span), run)
    if (result instanceof Promise) return result.then(end, fail) as T
    return end(result as Awaited<T>) as T
  } catch (error) {
    return fail(error)
  }
}

/** The current span; undefined if there is none. */
export function traceParent(): TraceParent | undefined {
  const carrier: { traceparent?: string } = {}
  propagation.inject(context.active(), carrier)
  return carrier.traceparent
}

const contextOf = (traceparent: TraceParent): Context => propagation.extract(ROOT_CONTEXT, { traceparent })

function linksTo(parents: readonly (TraceParent | undefined)[]): Link[] {
  return parents.flatMap((parent): Link[] => {
    const span: Span | undefined = parent === undefined ? undefined : trace.getSpan(contextOf(parent))
    return span ? [{ context: span.spanContext() }] : []
  })
}
