import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { sleep } from '../support/processes.js'
import { signToken } from '../support/token.js'
import { Allowance } from './allowance.js'
import { Tally } from './tally.js'
import { findAttack } from './attacks/index.js'

/**
 * The attacker's process: one user, and what one user can open. Started by main.js with the port, the attack, its number in
 * the run, and the seconds.
 */
const ADDRESS = '127.0.0.1'
const [port, id, run, seconds] = process.argv.slice(2)
/** A user of its own in each run, so that no limit of the one before counts. */
const FIRST_ID = 10_000
const IDS_PER_RUN = 200

export class Attacker {
  tally = new Tally()
  userId = FIRST_ID + Number(run) * IDS_PER_RUN
  token = signToken({ userId: this.userId, name: 'Mallory' })
  seconds = Number(seconds)
  until = Infinity
  #allowance = new Allowance()
  #agent = new Agent({ keepAlive: true, maxSockets: 100 })

  get isOver() {
    return performance.now() >= this.until
  }

  /** Users who are the attacker's friends, or who it can do something to. */
  friend(index) {
    const userId = this.userId + 1 + index
    return { userId, token: signToken({ userId, name: `Friend ${index}` }) }
  }

  /** Does something again and again until the attack is over, so often a second; without waiting for its end. */
  async pace(perSecond, act) {
    for (let due = performance.now(), count = 0; !this.isOver; due += 1000 / perSecond, count++) {
      const wait = due - performance.now()
      if (wait > 0) await sleep(wait)
      void Promise.resolve(act(count)).catch(() => undefined)
    }
  }

  /** Opens 20 legacy connections, holds each for `heldMs`, cuts it and opens the next, as fast as they go. */
  async reconnect(options, heldMs = 0) {
    const connect = async () => {
      const socket = await this.socket('legacy', options)
      if (heldMs > 0) await sleep(heldMs)
      socket.terminate()
    }
    await Promise.all(Array.from({ length: 20 }, () => this.repeat(connect)))
  }

  /** Does something again and again, each time when the one before has ended. */
  async repeat(act) {
    for (let count = 0; !this.isOver; count++) {
      await this.#allowance.take({ actions: 1 })
      const before = performance.now()
      await act(count)
      // What ends at once has failed.
      if (performance.now() - before < 1) await sleep(1)
    }
  }

  url(path) {
    return `http://${ADDRESS}:${port}${path}`
  }

  /** An HTTP request; resolves with its status when the answer has been read. `keep`: with the text too. */
  post(body, { token = this.token, path = '/graphql', keep = false, headers = {} } = {}) {
    const data = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    this.tally.bytesOut += data.length
    return new Promise((resolve) => {
      const sent = request(
        {
          host: ADDRESS,
          port,
          path,
          method: 'POST',
          agent: this.#agent,
          headers: {
            'content-type': 'application/json',
            'content-length': data.length,
            ...(token ? { authorization: `Bearer ${token}` } : {}),
            ...headers,
          },
        },
        (response) => {
          const chunks = []
          let size = 0
          response.on('data', (chunk) => {
            if (keep || size < 4096) chunks.push(chunk)
            size += chunk.length
          })
          response.on('close', () => {
            const text = Buffer.concat(chunks)
            this.tally.came(text)
            this.tally.bytesIn += size - text.length
            resolve({ status: response.statusCode, text: text.toString(), size })
          })
        },
      )
      sent.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
        this.tally.refused(error.code ?? 'error')
        resolve({ status: 0, text: '', size: 0 })
      })
      sent.end(data)
    })
  }

  /** The data of a GraphQL request that has to succeed; not counted. */
  async query(text, variables, token = this.token) {
    for (;;) {
      const response = await fetch(this.url('/graphql'), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ query: text, variables }),
      })
      const { data, errors } = await response.json()
      if (!errors) return data
      if (response.status !== 429) throw new Error(JSON.stringify(errors))
      await sleep(500)
    }
  }

  /** A socket of either protocol; resolves when it can be used, or was refused. */
  socket(protocol, { headers = {}, token = this.token, init = true, compresses = false, onText = undefined } = {}) {
    const isLegacy = protocol === 'legacy'
    return new Promise((resolve) => {
      const socket = new WebSocket(
        `ws://${ADDRESS}:${port}${isLegacy ? '/ws/connect' : '/graphql'}`,
        isLegacy ? [] : ['graphql-transport-ws'],
        { headers: { authorization: `Bearer ${token}`, ...headers }, perMessageDeflate: compresses },
      )
      socket.on('open', () => {
        if (!isLegacy && init) this.send(socket, '{"type":"connection_init"}')
        else if (!init) resolve(socket)
      })
      socket.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
        this.tally.refused(/\d{3}$/.exec(error.message)?.[0] ?? error.code ?? 'error')
        resolve(socket)
      })
      socket.on('close', (code) => {
        this.tally.closed(code)
        resolve(socket)
      })
      socket.on('message', (/** @type {Buffer} */ data) => {
        this.tally.came(data)
        if (onText) onText(data.toString())
        if (/^\{"type":"connection_(established|ack)"/.test(data.subarray(0, 40).toString())) resolve(socket)
      })
    })
  }

  /** Sends texts; nothing where the socket has closed. */
  send(socket, ...texts) {
    for (const text of texts) {
      if (socket.readyState !== WebSocket.OPEN) return
      this.tally.bytesOut += text.length
      socket.send(text)
    }
  }

  /** Bytes past the library, in one write; resolves when the kernel has taken them, or the socket has closed. */
  async raw(socket, bytes) {
    const inner = socket._socket ?? socket
    await this.#allowance.take({ bytes: bytes.length })
    if (inner.destroyed || !inner.writable) return false
    this.tally.bytesOut += bytes.length
    return await new Promise((resolve) => {
      inner.once('close', () => resolve(false))
      inner.write(bytes, () => resolve(true))
    })
  }

  /** A plain connection, whose bytes are counted and thrown away; what it gives are the status lines of HTTP. */
  plain({ reads = true } = {}) {
    const socket = connect({ host: ADDRESS, port: Number(port) })
    socket.on('error', () => undefined)
    socket.on('close', () => this.tally.closed('tcp'))
    if (reads) {
      socket.on('data', (chunk) => {
        this.tally.bytesIn += chunk.length
        for (const [, status] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3})/g)) {
          if (Number(status) < 400) this.tally.answers++
          else this.tally.refused(status)
        }
      })
    }
    return new Promise((resolve) => socket.once('connect', () => resolve(socket)).once('close', () => resolve(socket)))
  }
}

const attack = findAttack(id)
const attacker = new Attacker()
const prepared = await attack.prepare?.(attacker)
attacker.tally = new Tally()
process.send({ order: 'prepared' })
process.on('message', async (/** @type {{ order: string }} */ { order }) => {
  if (order !== 'go') return
  attacker.until = performance.now() + attacker.seconds * 1000
  // Whatever hangs is left hanging when the time is over.
  await Promise.race([attack.run(attacker, prepared), sleep(attacker.seconds * 1000 + 500)])
  // And what came late is still to be read.
  await sleep(Math.max(0, attacker.until - performance.now()))
  // It stays until it is ended: what its connections hold is measured first.
  process.send({ order: 'done', answer: attacker.tally })
})
