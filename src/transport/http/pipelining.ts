import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

/** How many requests of one connection may be queued before it is no longer read. */
const PAUSE_AT = 16
/** How many may be queued at all: more than one read brings. */
const WAITING_LIMIT = 4096

type Arguments = Parameters<RequestListener>

/**
 * Handles the requests of one connection one after the other, each in a turn of its own: Node would start all requests of one
 * chunk at once (RFC 9112, section 9.3.2).
 */
export function oneAtATime(listener: RequestListener): RequestListener {
  /** Queued requests of connections that have a request in progress. */
  const waiting = new WeakMap<Socket, Arguments[]>()

  function start([request, response]: Arguments): void {
    response.once('close', () => {
      pauseWhereFull(request.socket)
      setImmediate(next, request.socket)
    })
    listener(request, response)
  }

  function next(socket: Socket): void {
    const requests = waiting.get(socket)
    const following = requests?.shift()
    if (!requests || !following || socket.destroyed) return void waiting.delete(socket)
    if (requests.length === PAUSE_AT - 1) socket.resume()
    start(following)
  }

  /** Node resumes the socket with each request that it has parsed or finished; a microtask runs after that. */
  function pauseWhereFull(socket: Socket): void {
    queueMicrotask(() => {
      if ((waiting.get(socket)?.length ?? 0) >= PAUSE_AT) socket.pause()
    })
  }

  return (request, response) => {
    const { socket } = request
    if (socket.destroyed) return
    const requests = waiting.get(socket)
    if (!requests) {
      waiting.set(socket, [])
      return start([request, response])
    }
    if (requests.length === WAITING_LIMIT) return void socket.destroy()
    // The bodies of the earlier requests have been read, so none of them waits for more.
    if (requests.push([request, response]) === PAUSE_AT) pauseWhereFull(socket)
  }
}
