/** One user over one protocol: the connection and the chat, from when they are chosen until something else is. */
import type { DemoConfig } from '../config.ts'
import { Chat, type Change } from './chat.ts'
import type { ChatEvent, Connection, ConnectionListener, ConnectionState, Person } from './connection.ts'
import { connectGraphql } from './graphql-connection.ts'
import { connectLegacy } from './legacy-connection.ts'
import { createLine, type Frame } from './line.ts'

export const PROTOCOLS = { legacy: connectLegacy, graphql: connectGraphql } as const
export type Protocol = keyof typeof PROTOCOLS

/** Nothing is called once the session is closed. */
export interface SessionListener {
  frame: (frame: Frame) => void
  stateChanged: () => void
  /** An event, before the chat applies it. */
  event: (event: ChatEvent) => void
  resumed: (count: number, after: string) => void
  /** The chat has its conversations for the first time. */
  loaded: () => Promise<void>
  changed: (change: Change) => void
  failed: (error: unknown) => void
}

export interface SessionOptions {
  me: Person
  protocol: Protocol
  config: DemoConfig
  listener: SessionListener
}

export class Session {
  readonly line = createLine()
  readonly chat: Chat
  readonly #options: SessionOptions
  #connection: Connection | undefined
  #state: ConnectionState = 'connecting'
  #isLoaded = false
  #isClosed = false

  constructor(options: SessionOptions) {
    this.#options = options
    const { me, config, listener } = options
    this.chat = new Chat(me, config.users, (change) => {
      if (!this.#isClosed) listener.changed(change)
    })
    this.line.watch((frame) => {
      if (!this.#isClosed) listener.frame(frame)
    })
  }

  /** Connects; the listener may be called at once. */
  open(): void {
    const { me, protocol, config } = this.#options
    const options = { userId: me.id, after: config.lastEventId, listener: this.#connectionListener() }
    this.#connection = PROTOCOLS[protocol](this.line, options)
  }

  close(): void {
    this.#isClosed = true
    this.#connection?.close()
  }

  get connection(): Connection {
    if (!this.#connection) throw new Error('the session is not open yet')
    return this.#connection
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Reports an error to the listener. */
  attempt(what: Promise<unknown>): void {
    what.catch((error: unknown) => {
      if (!this.#isClosed) this.#options.listener.failed(error)
    })
  }

  /** Closures: a protocol may call them as plain functions. */
  #connectionListener(): ConnectionListener {
    const { listener } = this.#options
    return {
      state: (state) => {
        if (!this.#isClosed) this.#enter(state)
      },
      event: (event, isResumed) => {
        if (this.#isClosed) return
        listener.event(event)
        this.chat.apply(event, isResumed)
      },
      resumed: (count, after) => {
        if (!this.#isClosed) listener.resumed(count, after)
      },
    }
  }

  #enter(state: ConnectionState): void {
    this.#state = state
    if (state === 'waiting' || state === 'closed') this.chat.lineLost()
    if (state === 'open') {
      this.chat.lineFound()
      this.attempt(this.#load())
    }
    this.#options.listener.stateChanged()
  }

  /** What the events do not tell. */
  async #load(): Promise<void> {
    if (this.#isLoaded) return await this.chat.loadPresence()
    await this.chat.load()
    if (!this.#isClosed) await this.#options.listener.loaded()
    this.#isLoaded = true
  }
}
