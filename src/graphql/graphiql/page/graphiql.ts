/** The part of the GraphiQL page that runs in the browser. The server embeds the compiled module in the page. */

interface GraphqlParams {
  readonly query: string
  readonly operationName?: string | null
  readonly variables?: unknown
}

interface FetcherOptions {
  readonly headers?: Readonly<Record<string, string>>
}

interface Sink {
  next(result: unknown): void
  error(error: unknown): void
  complete(): void
}

type Observable = { subscribe(sink: Sink): { unsubscribe(): void } }
type Fetcher = (params: GraphqlParams, options?: FetcherOptions) => Promise<unknown> | Observable

/** How many results of a subscription are shown; a page left open must not grow without bound. */
const SHOWN = 200

/** Keeps all results of a subscription in view; GraphiQL itself replaces each by the next. */
function createHistory(): { add(results: readonly unknown[]): unknown } {
  let received = 0
  let newestFirst: unknown[] = []
  return {
    add(results) {
      received += results.length
      newestFirst = [...results.toReversed(), ...newestFirst].slice(0, SHOWN)
      return { received, newestFirst }
    },
  }
}

/** Yields the results in each chunk of a stream of server-sent events. */
async function* readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<unknown[]> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    text += chunk.value
    const events = text.split('\n\n')
    text = events.pop() ?? ''
    const results = events
      .filter((event) => event.startsWith('event: next'))
      .map((event) => event.slice(event.indexOf('data:') + 5))
    if (results.length > 0) yield results.map((result) => JSON.parse(result) as unknown)
  }
}

/** The operations of a document: what is outside of all braces and brackets, without strings and comments. */
function operationsIn(query: string): { type: string; name: string | undefined }[] {
  let text = query.replace(/"""[^]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*/g, ' ')
  for (let before = ''; before !== text;) {
    before = text
    text = text.replace(/\{[^{}]*\}|\([^()]*\)/g, ' ')
  }
  return [...text.matchAll(/\b(query|mutation|subscription)\b\s*([_A-Za-z]\w*)?/g)].map(([, type = '', name]) => ({ type, name }))
}

/**
 * The request with an operation that its text contains. GraphiQL updates the operation name some time after the text: until
 * then it is the previous tab's.
 */
function withOwnOperation(params: GraphqlParams): { params: GraphqlParams; isSubscription: boolean } {
  const operations = operationsIn(params.query)
  const named = operations.find(({ name }) => name !== undefined && name === params.operationName)
  const operation = named ?? operations[0]
  const own = named || operations.length !== 1 ? params : { ...params, operationName: operation?.name ?? null }
  return { params: own, isSubscription: operation?.type === 'subscription' }
}

export function createFetcher(url: string): Fetcher {
  const post = (params: GraphqlParams, { headers }: FetcherOptions, accept: string, signal?: AbortSignal): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json', Accept: accept },
      body: JSON.stringify(params),
      signal: signal ?? null,
    })

  async function subscribe(params: GraphqlParams, options: FetcherOptions, sink: Sink, signal: AbortSignal): Promise<void> {
    const response = await post(params, options, 'text/event-stream', signal)
    if (!response.body || !response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
      return sink.next(await response.json())
    }
    const history = createHistory()
    for await (const results of readEvents(response.body)) sink.next(history.add(results))
  }

  return (given, options = {}) => {
    const { params, isSubscription } = withOwnOperation(given)
    if (!isSubscription) {
      return post(params, options, 'application/json').then((response) => response.json() as Promise<unknown>)
    }
    return {
      subscribe(sink) {
        const abort = new AbortController()
        subscribe(params, options, sink, abort.signal).then(
          () => sink.complete(),
          // The user stopped it.
          (error: unknown) => !abort.signal.aborted && sink.error(error),
        )
        return { unsubscribe: () => abort.abort() }
      },
    }
  }
}

/**
 * Tabs can't be dragged. GraphiQL leaves them shifted by a wrong offset, which it hides until a tab has the focus: the first
 * click then moved the tab away from under the pointer, and a click that moved slightly reordered the tabs.
 */
export function disableTabDragging(): void {
  document.addEventListener(
    'pointerdown',
    (event) => {
      if (event.target instanceof Element && event.target.closest('.graphiql-tab')) event.stopPropagation()
    },
    { capture: true },
  )
}
