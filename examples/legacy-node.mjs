import WebSocket from 'ws'
import { backoff, endIfRefused, readArguments, sayBroken } from './arguments.mjs'

// With headers: the token, and where to resume, so that what was missed comes before anything new.
const { url, token } = readArguments('ws://127.0.0.1:4000/ws/connect')
const seen = new Set()
let cursor = '0'
let failures = 0

function connect() {
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}`, 'last-event-id': cursor } })
  // The server pings every 30 s: a line on which nothing comes for longer is dead.
  let dead
  const alive = () => {
    clearTimeout(dead)
    dead = setTimeout(() => socket.terminate(), 70_000)
  }
  socket.on('ping', alive)
  socket.on('open', alive)
  socket.on('message', (text) => {
    alive()
    failures = 0
    const { type, code, data, message_id: id } = JSON.parse(text)
    if (type === 'error') return console.error(code, data.details.error)
    if (id === undefined || seen.has(id)) return
    seen.add(id)
    if (BigInt(id) > BigInt(cursor)) cursor = id
    if (type === 'message_sent') console.log(`${data.sender_name}: ${data.content}`)
  })
  socket.on('unexpected-response', (_request, response) => {
    if (response.statusCode === 401) endIfRefused(4403, 'the token is not good')
    problem = new Error(`the server answered ${response.statusCode} ${response.statusMessage}`)
    socket.terminate()
  })
  let problem
  socket.on('error', (error) => (problem ??= error))
  socket.on('close', (code, reason) => {
    clearTimeout(dead)
    endIfRefused(code, reason)
    sayBroken(url, problem ?? { code, reason })
    void backoff(failures++).then(connect)
  })
}
connect()
