import { backoff, endIfRefused, readArguments, sayBroken } from './arguments.mjs'

// As in a browser: a WebSocket that can't set headers sends the token as a subprotocol, and resumes by a request.
// Node has one like it since version 22; before, the one of `ws` does the same.
const WebSocket = globalThis.WebSocket ?? (await import('ws')).default
const { url, token } = readArguments('ws://127.0.0.1:4000/ws/connect')
const seen = new Set()
let cursor = '0'
let failures = 0

/**
 * A browser's WebSocket does not tell why it could not be opened. A request with the same token does, and fails where there
 * is no server.
 */
async function askWhy() {
  // Node's `fetch` may wait forever if the connection is destroyed as soon as it is there, and its `AbortSignal.timeout` does not keep
  // the process from ending meanwhile.
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new Error('no answer within 5 s')), 5000)
  const response = await fetch(new URL('/graphql', url.replace(/^ws/, 'http')), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{"query":"{ viewer { id } }"}',
    signal: controller.signal,
  }).finally(() => clearTimeout(timer))
  if (response.status === 401) endIfRefused(4403, 'the token is not good')
}

function connect() {
  const socket = new WebSocket(url, ['bearer', token])
  let wasOpen = false
  let failure
  const heartbeat = setInterval(() => socket.readyState === 1 && socket.send('{"type":"ping"}'), 10_000)
  let heard = Date.now()
  const watch = setInterval(() => Date.now() - heard > 25_000 && socket.close(), 5000)

  // New events may come before what was missed: they wait for the answer to `resume`, and ids tell the order.
  let held = []
  function show({ type, data, message_id: id }) {
    if (seen.has(id)) return
    seen.add(id)
    if (BigInt(id) > BigInt(cursor)) cursor = id
    if (type === 'message_sent') console.log(`${data.sender_name}: ${data.content}`)
  }

  socket.onopen = () => {
    wasOpen = true
    socket.send(JSON.stringify({ type: 'resume', data: { last_message_id: cursor } }))
  }
  socket.onmessage = ({ data: text }) => {
    heard = Date.now()
    failures = 0
    const frame = JSON.parse(text)
    if (frame.type === 'error') {
      console.error(frame.code, frame.data.details.error)
      // Without what was missed there is no going on.
      if (held) socket.close()
      return
    }
    if (frame.type === 'resume') {
      for (const each of held.sort((a, b) => Number(a.message_id) - Number(b.message_id))) show(each)
      held = undefined
      // Only pushes of durable events have an id here: our requests send none that would be echoed.
    } else if (frame.message_id !== undefined) {
      if (held) held.push(frame)
      else show(frame)
    }
  }
  socket.onclose = async ({ code, reason }) => {
    clearInterval(heartbeat)
    clearInterval(watch)
    endIfRefused(code, reason)
    const problem = wasOpen ? undefined : await askWhy().catch((error) => error)
    sayBroken(url, problem ?? failure ?? { code, reason })
    await backoff(failures++)
    connect()
  }
  // Libraries say why, browsers don't.
  socket.onerror = ({ message }) => (failure = message && { message })
}
connect()
