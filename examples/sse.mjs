import { backoff, endIfRefused, readArguments, sayBroken } from './arguments.mjs'
import { createReader, EVENTS } from './events.mjs'

// Server-sent events with `fetch` alone. A browser's EventSource can't send the token in a header, and Parley takes none from a URL.
const { url, token } = readArguments('http://127.0.0.1:4000/graphql')
const reader = createReader(console.log)

async function subscribe(onEvent) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: EVENTS, variables: { after: reader.cursor } }),
  })
  if (response.status === 401) endIfRefused(4403, 'the token is not good')
  if (!response.ok) throw new TypeError(`the server answered ${response.status} ${response.statusText}`)
  let text = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    // An event ends with an empty line; what is after the last one is the beginning of the next.
    const events = (text += chunk).split('\n\n')
    text = events.pop()
    for (const event of events) {
      if (!event.startsWith('event: next')) continue
      const { data, errors } = JSON.parse(event.slice(event.indexOf('data:') + 5))
      if (errors) return console.error(errors[0].message)
      onEvent(data.events)
    }
  }
}

for (let failures = 0; ; failures++) {
  let problem
  try {
    await subscribe((event) => {
      reader.read(event)
      failures = 0
    })
  } catch (error) {
    // What fetch throws is a broken line.
    if (!(error instanceof TypeError)) throw error
    problem = error
  }
  sayBroken(url, problem)
  await backoff(failures)
}
