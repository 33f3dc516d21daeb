// In an app: from 'parley/resume'.
import { resumable } from '../dist/clients/resume/resume.js'
import { endIfRefused, readArguments, sayBroken } from './arguments.mjs'
import { EVENTS, show } from './events.mjs'

// Server-sent events with `fetch` alone. A browser's EventSource can't send the token in a header, and Parley takes none from a URL.
const { url, token } = readArguments('http://127.0.0.1:4000/graphql')

/** Resolves when the stream was complete; rejects where it broke off, or was refused: then with the `response`. */
async function read(payload, sink, controller) {
  // Node's `fetch` may wait forever if the connection is destroyed as soon as it is there.
  const timer = setTimeout(() => controller.abort(new Error('no answer within 10 s')), 10_000)
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify(payload),
    signal: controller.signal,
  }).finally(() => clearTimeout(timer))
  if (!response.ok) throw Object.assign(new Error(`the server answered ${response.status} ${response.statusText}`), { response })
  let text = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    // An event ends with an empty line; what is after the last one is the beginning of the next.
    const events = (text += chunk).split('\n\n')
    text = events.pop()
    for (const event of events) {
      if (event.startsWith('event: complete')) return
      if (event.startsWith('event: next')) sink.next(JSON.parse(/^data: (.*)$/m.exec(event)[1]))
    }
  }
  throw new Error('the stream broke off')
}

/** The part of a client that `resumable` takes; graphql-sse's has it too. */
const streams = {
  subscribe(payload, sink) {
    const controller = new AbortController()
    read(payload, sink, controller).then(
      () => sink.complete(),
      (error) => sink.error(error),
    )
    return () => controller.abort()
  },
}

/** 401 asks for the headers again: an app has a new token then, this has not. */
function onRetry(reason) {
  if (reason.response?.status === 401) endIfRefused(4403, 'the token is not good')
  sayBroken(url, reason)
}

resumable(streams, { onRetry }).subscribe(
  { query: EVENTS, variables: { after: '0' } },
  {
    next: ({ data, errors }) => (errors ? console.error(errors[0].message) : show(data.events)),
    error: ({ message }) => endIfRefused(4403, message),
    complete: () => console.error('the stream is complete'),
  },
)
