import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

/** How many requests of one connection may wait before it is no longer read. */
const WAITING_LIMIT = 16

/**
 * Handles the requests of one connection one after the other, each in a turn of its own: Node would start all that come in one
 * piece at once (RFC 9112, section 9.3.2).
 */
export function oneAtATime(listener: RequestListener): RequestListener {
  /** Of connections that have a request under way, those behind it. */
  const waiting = new WeakMap<Socket, Parameters<RequestListener>[]>()

  function start([request, response]: Parameters<RequestListener>): void {
    response.once('close', () => setImmediate(next, request.socket))
    listener(request, response)
  }

  function next(socket: Socket): void {
    const requests = waiting.get(socket)
    const following = requests?.shift()
    if (!requests || !following || socket.destroyed) return void waiting.delete(socket)
    if (requests.length === WAITING_LIMIT - 1) socket.resume()
    start(following)
  }

  return (request, response) => {
    const requests = waiting.get(request.socket)
    if (!requests) {
      waiting.set(request.socket, [])
      return start([request, response])
    }
    // The bodies of those before have been read, so none of them waits for more.
    if (requests.push([request, response]) === WAITING_LIMIT) request.socket.pause()
  }
}
