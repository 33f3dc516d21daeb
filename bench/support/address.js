import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** An address that forwards new connections to the port set last; open ones stay where they are. */
export class Address {
  #target
  #sockets = new Set()
  #server = createServer((near) => this.#accept(near))

  static async to(port) {
    const address = new Address()
    address.#target = port
    address.#server.listen(0, '127.0.0.1')
    await once(address.#server, 'listening')
    return address
  }

  get port() {
    const { port } = /** @type {import('node:net').AddressInfo} */ (this.#server.address())
    return port
  }

  lead(port) {
    this.#target = port
  }

  close() {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(near) {
    const far = connect({ host: '127.0.0.1', port: this.#target, noDelay: true })
    near.setNoDelay(true)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(one)
      one.on('error', () => one.destroy())
      one.once('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  }
}
