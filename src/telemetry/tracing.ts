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
 * OpenTelemetry traces of what a frame or an operation causes, on every node. Off unless the process was told where to
 * send them: whoever wants a span asks `tracing.isOn` first, which is all that it costs then.
 */
export const tracing = { isOn: false }

/** The header of W3C Trace Context by which a span is known elsewhere. */
export type TraceParent = string

/**
 * Begins to send spans where OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT) says so; the SDK reads the other variables
 * itself (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS). Resolves with what sends the last ones.
 */
export async function startTracing(env: NodeJS.ProcessEnv, attributes: Attributes): Promise<() => Promise<void>> {
  if (!env['OTEL_EXPORTER_OTLP_ENDPOINT'] && !env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) return () => Promise.resolve()
  // 10 MB that nobody needs without it.
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
  /** The span that caused it, where that is not the one under way. */
  parent?: TraceParent | undefined
  /** Spans of which it does the work together. */
  links?: readonly (TraceParent | undefined)[]
}

export { SpanKind }

/** Runs in a span of its own, which ends with what `run` returns; `isFailure` tells whether that was one. */
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

/** The span that is under way; undefined where none is. */
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
