/** The connection to the server: a WebSocket whose frames can be watched, and which can be cut. */

export interface Frame {
  readonly at: number
  /** `note`: not a frame, but a change of the connection. */
  readonly direction: 'in' | 'out' | 'note'
  readonly text: string
}

export interface Line {
  /** For code that expects a WebSocket class. */
  readonly Socket: typeof WebSocket
  readonly isCut: boolean
  /** Breaks an open connection at once, as a network failure does: later data is lost, and there is no close handshake. */
  cut(): void
  restore(): void
  /** Resolves when the connection is not cut. */
  restored(): Promise<void>
  watch(watcher: (frame: Frame) => void): void
}

export function createLine(): Line {
  const watchers: ((frame: Frame) => void)[] = []
  const open = new Set<Socket>()
  let waiting: (() => void)[] = []
  let isCut = false

  const tell = (direction: Frame['direction'], text: string): void => {
    for (const watcher of watchers) watcher({ at: Date.now(), direction, text })
  }

  class Socket extends WebSocket {
    isBroken = false

    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols)
      open.add(this)
      const { pathname } = new URL(url)
      // The first listener: nothing from a broken socket reaches the others.
      this.addEventListener('open', () => tell('note', `open ${pathname}`))
      this.addEventListener('message', (event) => {
        if (this.isBroken) event.stopImmediatePropagation()
        else tell('in', event.data as string)
      })
      this.addEventListener('error', (event) => {
        if (this.isBroken) event.stopImmediatePropagation()
      })
      this.addEventListener('close', (event) => {
        open.delete(this)
        if (this.isBroken && event.isTrusted) event.stopImmediatePropagation()
        else tell('note', `closed ${event.code} ${event.reason}`.trim())
      })
    }

    override send(text: string): void {
      if (this.isBroken) return
      tell('out', text)
      super.send(text)
    }
  }

  return {
    Socket,
    get isCut() {
      return isCut
    },
    cut() {
      isCut = true
      for (const socket of open) {
        socket.isBroken = true
        // Browsers offer nothing more abrupt; the server gets a close, the client's handlers are called at once and it receives nothing else.
        socket.close(4000, 'cut')
        socket.dispatchEvent(new CloseEvent('close', { code: 1006 }))
      }
    },
    restore() {
      isCut = false
      for (const resolve of waiting.splice(0)) resolve()
    },
    restored: () => (isCut ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve()),
    watch: (watcher) => void watchers.push(watcher),
  }
}
