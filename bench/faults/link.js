import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * What lies between one client and the nodes: a balancer without sticky sessions, which sends every new connection to the
 * next node that takes it, over a wire that can be cut, and can be left unread.
 */
export class Link {
  #nodes
  #turn
  /** How many connections it has carried. */
  connections = 0
  #server = createServer((client) => void this.#accept(client))
  #pairs = new Set()
  #isCut = false
  #isStalled = false

  /** @param {import('./node.js').ServerNode[]} nodes */
  constructor(nodes, turn) {
    this.#nodes = nodes
    this.#turn = turn
  }

  async listen() {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** Host and port for the client. */
  get address() {
    const { port } = /** @type {import('node:net').AddressInfo} */ (this.#server.address())
    return `127.0.0.1:${port}`
  }

  /** Breaks the connection, with what is on its way, and lets none come up until it is mended. */
  cut() {
    this.#isCut = true
    this.#breakAll()
  }

  mend() {
    this.#isCut = false
  }

  /** Nothing is read from the nodes any more; what they send fills the buffers of the system, then their own. */
  stall() {
    this.#isStalled = true
    for (const { client, node } of this.#pairs) {
      node.unpipe(client)
      node.pause()
    }
  }

  resume() {
    this.#isStalled = false
    for (const { client, node } of this.#pairs) {
      if (node.destroyed) client.destroy()
      else node.pipe(client)
    }
  }

  close() {
    this.#server.close()
    this.#breakAll()
  }

  #breakAll() {
    for (const { client, node } of this.#pairs) {
      client.destroy()
      node.destroy()
    }
  }

  async #accept(client) {
    client.on('error', () => client.destroy())
    client.setNoDelay(true)
    const turn = this.#turn++
    const node = this.#isCut ? undefined : await this.#reach(turn)
    if (!node || this.#isCut || client.destroyed) {
      client.destroy()
      node?.destroy()
      return
    }
    const pair = { client, node }
    this.#pairs.add(pair)
    this.connections++
    client.once('close', () => {
      this.#pairs.delete(pair)
      node.destroy()
    })
    // Who does not read does not see the end either.
    node.once('close', () => {
      if (!this.#isStalled) client.end()
    })
    client.pipe(node)
    if (!this.#isStalled) node.pipe(client)
  }

  /** Connects to the first node that takes it. */
  async #reach(turn) {
    for (let offset = 0; offset < this.#nodes.length; offset++) {
      const { port } = this.#nodes[(turn + offset) % this.#nodes.length]
      if (port === undefined) continue
      const socket = connect({ host: '127.0.0.1', port, noDelay: true })
      try {
        await once(socket, 'connect')
        socket.on('error', () => socket.destroy())
        return socket
      } catch {
        continue
      }
    }
    return undefined
  }
}
