/** The line to the server: a WebSocket whose frames can be watched, and which can be cut. */

export interface Frame {
  readonly at: number
  /** `note`: no frame, what became of the line. */
  readonly direction: 'in' | 'out' | 'note'
  readonly text: string
}

export interface Line {
  /** For whoever takes a WebSocket class. */
  readonly Socket: typeof WebSocket
  readonly isCut: boolean
  /** Breaks what is open at once, as a network does: what comes afterwards is lost, and nobody says goodbye. */
  cut(): void
  restore(): void
  /** Resolves when the line is not cut. */
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
      // First of all listeners: what a broken socket still says reaches nobody.
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
        // A page has no harder way; the server learns of it, the client is told at once and of nothing else.
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
