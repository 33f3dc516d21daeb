import { once } from 'node:events'
import { WebSocket } from 'ws'
import { signToken } from '../support/token.js'

const AUTH = (userId) => signToken({ userId, name: `User ${userId}` })
const FEED =
  'subscription ($after: ID) { events(after: $after) { id ... on MessageSent { message { id content conversation { id } } } } }'

export const KEY_LENGTH = 12

/** A client of either protocol that comes back by itself and resumes, and knows what it got. */
export class Client {
  /** The keys of received messages, and how often each came. */
  got = new Map()
  /** Messages to which others can react. */
  seen = []
  failures = 0
  repeats = 0
  closes = {}
  #cursor = '0'
  #ids = new Set()
  #socket
  #isOver = false
  #isReady = false
  #waiting = new Map()
  #next = 0

  /** @type {((key: string) => void) | undefined} */
  onMessage

  constructor({ userId, ports, protocol, isSlow = false }) {
    this.userId = userId
    this.ports = ports
    this.protocol = protocol
    this.isSlow = isSlow
  }

  /** Resolves when events come. */
  async open() {
    const port = this.ports[this.#next++ % this.ports.length]
    const headers = { authorization: `Bearer ${AUTH(this.userId)}` }
    const isLegacy = this.protocol === 'legacy'
    if (isLegacy) headers['last-event-id'] = this.#cursor
    const socket = new WebSocket(
      `ws://127.0.0.1:${port}${isLegacy ? '/ws/connect' : '/graphql'}`,
      isLegacy ? [] : ['graphql-transport-ws'],
      {
        headers,
        perMessageDeflate: false,
      },
    )
    this.#socket = socket
    this.#isReady = false
    let opened
    const isOpen = new Promise((resolve) => (opened = resolve))
    socket.on('error', () => undefined)
    socket.on('message', (data) => this.#receive(JSON.parse(String(data)), opened))
    socket.on('close', (code) => {
      this.closes[code] = (this.closes[code] ?? 0) + 1
      for (const settle of this.#waiting.values()) settle(false)
      this.#waiting.clear()
      opened()
      if (!this.#isOver) setTimeout(() => this.#isOver || this.open(), 100 + Math.random() * 900)
    })
    if (!isLegacy) socket.on('open', () => socket.send('{"type":"connection_init"}'))
    await isOpen
    if (this.isSlow && socket.readyState === WebSocket.OPEN) socket.pause()
  }

  #receive(frame, opened) {
    if (this.protocol === 'legacy') {
      if (frame.type === 'resume') {
        this.#isReady = true
        return opened()
      }
      if (this.#waiting.has(frame.message_id)) return this.#settle(frame.message_id, frame.type !== 'error')
      if (frame.type === 'error') return void this.failures++
      const { message_id: id, type, data } = frame
      if (id !== undefined && data?.success === undefined)
        this.#event(
          id,
          type === 'message_sent' ? { id: data.id, content: data.content, conversation: data.session_id } : undefined,
        )
      return
    }
    if (frame.type === 'connection_ack') {
      this.#isReady = true
      this.#socket.send(
        JSON.stringify({ id: 'feed', type: 'subscribe', payload: { query: FEED, variables: { after: this.#cursor } } }),
      )
      return opened()
    }
    if (frame.type === 'next' && frame.id === 'feed') {
      const { id, message } = frame.payload.data.events
      if (id !== null)
        this.#event(id, message && { id: Number(message.id), content: message.content, conversation: message.conversation.id })
    } else if (frame.type === 'next') this.#settle(frame.id, frame.payload.errors === undefined)
    else if (frame.type === 'error') {
      if (frame.id === 'feed') this.#socket.close()
      else this.#settle(frame.id, false)
    }
  }

  /** An event, once: a resume may give again what came, under its id. */
  #event(id, message) {
    if (this.#ids.has(id)) return void this.repeats++
    this.#ids.add(id)
    if (BigInt(id) > BigInt(this.#cursor)) this.#cursor = id
    if (!message) return
    // Its beginning identifies it; the rest is not stored.
    const key = message.content.slice(0, KEY_LENGTH)
    this.got.set(key, (this.got.get(key) ?? 0) + 1)
    this.onMessage?.(key)
    this.seen.push({ id: message.id, conversation: message.conversation })
    if (this.seen.length > 20) this.seen.shift()
  }

  #settle(id, isOk) {
    this.#waiting.get(id)?.(isOk)
    this.#waiting.delete(id)
  }

  /** Resolves with whether it was acknowledged; false also where the line broke. */
  request(legacy, graphql) {
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN || !this.#isReady) return Promise.resolve(false)
    const id = `${this.userId}-${this.#next++}-${Math.random().toString(36).slice(2)}`
    const done = new Promise((resolve) => this.#waiting.set(id, resolve))
    if (this.protocol === 'legacy') socket.send(JSON.stringify({ ...legacy, message_id: id }))
    else socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query: graphql } }))
    return done
  }

  cut() {
    this.#socket?.terminate()
  }

  /** Reads again what a slow one left. */
  read() {
    this.isSlow = false
    this.#socket?.resume()
  }

  sendRaw(text) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text)
  }

  async end() {
    this.#isOver = true
    if (this.#socket && this.#socket.readyState !== WebSocket.CLOSED) {
      const closed = once(this.#socket, 'close')
      this.#socket.terminate()
      await closed
    }
  }
}

/** One GraphQL request over HTTP. */
export async function query(port, userId, text) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${AUTH(userId)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: text }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(JSON.stringify(errors))
  return data
}

/** Samples of a node's `/metrics` by name. */
export async function metricsOf(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return (name) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.slice(name.length + 1) ?? 0,
    )
}
