import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'

/** A line to a port that can be cut: what goes through it is broken off, and for a while nothing gets through. */
export class TcpProxy {
  #sockets = new Set<Socket>()
  readonly #far = new Set<Socket>()
  #isCut = false
  #target: number
  readonly #server: Server

  constructor(target: number) {
    this.#target = target
    this.#server = createServer((near) => {
      if (this.#isCut) return near.destroy()
      const far = connect(this.#target, '127.0.0.1')
      this.#far.add(far)
      far.on('close', () => this.#far.delete(far))
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one)
        one.on('error', () => undefined)
        one.on('close', () => {
          this.#sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
      return undefined
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  /** Leads new connections to another port; those that are open stay where they are. */
  lead(target: number): void {
    this.#target = target
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Nothing that the server sends is read for a while. */
  stall(isStalled: boolean): void {
    for (const socket of this.#far)
      if (isStalled) socket.pause()
      else socket.resume()
  }

  repair(): void {
    this.#isCut = false
  }

  close(): void {
    this.cut()
    this.#server.close()
  }
}
