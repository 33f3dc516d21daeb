import { WebSocket } from 'ws'
import { signToken } from '../support/token.js'
import { Waits } from './waits.js'

/**
 * The process of the other users: 20 that ask something tiny every 20 ms, and two that send each other a message every 100 ms;
 * half of them on each protocol. Started by main.js with the port.
 */
const ASK_MS = 20
const SEND_MS = 100
const ASKERS = 20
const FIRST_ID = 100

const port = Number(process.argv[2])
let asks = new Waits(ASK_MS)
let sends = new Waits(SEND_MS)
let refused = 0

class Other {
  /** When the question was asked whose answer is still to come. */
  askedAt
  /** Whether that question counts: not one that was asked before the attack, when the bench had the server collect its garbage. */
  #isCounted = true
  #socket
  #isLegacy
  #request
  #waits
  #number = 0

  constructor({ userId, isLegacy, request, waits, periodMs }) {
    this.#isLegacy = isLegacy
    this.#request = request
    this.#waits = waits
    this.opened = new Promise((/** @type {(nothing?: void) => void} */ resolve, reject) => {
      const headers = { authorization: `Bearer ${signToken({ userId, name: `Other ${userId}` })}` }
      const [path, protocols] = isLegacy ? ['/ws/connect', []] : ['/graphql', ['graphql-transport-ws']]
      // From addresses of their own, as users are.
      const options = { headers, perMessageDeflate: false, localAddress: `127.0.1.${userId % 250}` }
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options)
      this.#socket = socket
      socket.on('open', () => isLegacy || socket.send('{"type":"connection_init"}'))
      socket.on('error', reject)
      socket.on('close', (code) => reject(new Error(`closed with ${code}`)))
      socket.on('message', (data) => {
        const text = data.toString()
        if (/^\{"type":"connection_(established|ack)"/.test(text)) {
          resolve()
          setTimeout(() => setInterval(() => this.#ask(), periodMs), Math.random() * periodMs)
        } else this.#read(text)
      })
    })
  }

  #ask() {
    if (this.askedAt !== undefined || this.#socket.readyState !== WebSocket.OPEN) return
    this.askedAt = performance.now()
    this.#isCounted = true
    this.#socket.send(this.#request(String(this.#number++)))
  }

  #read(text) {
    // Pushes of what the two send each other are none of it.
    const isError = this.#isLegacy ? text.startsWith('{"type":"error"') : /"type":"error"|"errors":/.test(text)
    const isAnswer = this.#isLegacy
      ? isError || text.startsWith('{"type":"heartbeat"') || text.includes('"success":true')
      : text.includes('"type":"complete"') || text.includes('"type":"error"')
    if (isError) refused++
    if (!isAnswer || this.askedAt === undefined) return
    this.settle()
  }

  settle() {
    if (this.askedAt === undefined) return
    if (this.#isCounted) this.#waits().add(performance.now() - this.askedAt)
    this.askedAt = undefined
  }

  leaveOut() {
    this.#isCounted = false
  }
}

const graphql = (id, query) => JSON.stringify({ id, type: 'subscribe', payload: { query } })
const [low, high] = [FIRST_ID + ASKERS, FIRST_ID + ASKERS + 1]
const others = Array.from({ length: ASKERS }, (_, index) => {
  const isLegacy = index % 2 === 0
  const request = isLegacy ? () => '{"type":"ping"}' : (id) => graphql(id, '{ viewer { id } }')
  return new Other({ userId: FIRST_ID + index, isLegacy, request, waits: () => asks, periodMs: ASK_MS })
})
await Promise.all(others.map(({ opened }) => opened))
others.push(
  new Other({
    userId: low,
    isLegacy: true,
    request: (id) =>
      JSON.stringify({ type: 'message_sent', message_id: `${process.pid}-${id}`, data: { receiver_id: high, content: 'hello' } }),
    waits: () => sends,
    periodMs: SEND_MS,
  }),
  new Other({
    userId: high,
    isLegacy: false,
    request: (id) => graphql(id, `mutation { sendMessage(input: { receiverId: "${low}", content: "hello" }) { id } }`),
    waits: () => sends,
    periodMs: SEND_MS,
  }),
)
await Promise.all(others.map(({ opened }) => opened))

const orders = {
  /** From now on it counts. */
  start() {
    asks = new Waits(ASK_MS)
    sends = new Waits(SEND_MS)
    refused = 0
    for (const other of others) other.leaveOut()
  },
  /** What is not answered yet has waited as long as it has. */
  report() {
    for (const other of others) other.settle()
    return { asks: asks.summary(), sends: sends.summary(), refused }
  },
}
process.on('message', (/** @type {{ order: string }} */ { order }) => process.send({ order, answer: orders[order]() }))
process.send({ order: 'opened' })
