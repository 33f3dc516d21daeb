/** One half of the page: a user, a protocol, the chat, and its frames. */
import type { DemoConfig } from '../config.ts'
import { ChatView } from './chat-view.ts'
import type { Person } from './connection.ts'
import { h, setAttributes } from './dom.ts'
import { createFrameLog, type FrameLog } from './frame-log.ts'
import { createInterpreter } from './operations.ts'
import { loadEvent } from './server.ts'
import { PROTOCOLS, Session, type Protocol, type SessionListener } from './session.ts'
import type { Text } from './text.ts'

export interface PaneOptions {
  side: 'left' | 'right'
  userId: string
  protocol: Protocol
  /** The conversation open from the start, if there is room. */
  peerId: string
  config: DemoConfig
  text: Text
  /** The user or the protocol has changed. */
  onChosen: () => void
  /** A conversation was opened. */
  onOpened: () => void
}

export class Pane {
  readonly element: HTMLElement
  readonly #options: PaneOptions
  readonly #interpret: ReturnType<typeof createInterpreter>
  readonly #header: Header
  readonly #chat: ChatView
  readonly #frames: FrameLog
  #text: Text
  #session: Session

  /** Connects at once; `speak` draws it. */
  constructor(options: PaneOptions) {
    const { side, config, text, onOpened } = options
    const titleId = `${side}-title`
    this.#options = options
    this.#text = text
    // A separate stream would make a user online whose connection is cut.
    this.#interpret = createInterpreter(config, async (feed, id) =>
      this.#session.line.isCut ? undefined : await loadEvent(this.userId(), feed, id),
    )
    this.#header = createHeader(options, titleId)
    this.#session = this.#createSession()
    this.#chat = new ChatView({ side, session: this.#session, text, onOpened })
    this.#frames = createFrameLog(titleId)
    const { title, bar, userSelect, protocolSelect, cut } = this.#header
    const attributes = { class: 'pane', id: side, 'aria-labelledby': titleId }
    this.element = h('section', attributes, title, bar, this.#chat.element, this.#frames.element)
    userSelect.addEventListener('change', () => this.#chosen())
    protocolSelect.addEventListener('change', () => this.#chosen())
    cut.addEventListener('click', () => this.setCut(!this.#session.line.isCut))
    this.#session.open()
  }

  /** User and protocol, for the switch between the panes. */
  title(): string {
    return `${this.#header.userSelect.selectedOptions[0]?.label} · ${this.protocol()}`
  }

  speak(text: Text): void {
    const { title, userSelect, protocolSelect } = this.#header
    this.#text = text
    title.textContent = text[this.#options.side]
    setAttributes(userSelect, { 'aria-label': text.user })
    setAttributes(protocolSelect, { 'aria-label': text.protocol })
    for (const option of protocolSelect.options) option.textContent = text[option.value as Protocol]
    this.#chat.speak(text)
    this.#frames.speak(text)
    this.#draw()
  }

  /** The pane may be visible now. */
  shown(): void {
    this.#chat.markRead()
  }

  // What a user does and sees, for the guide.

  userId(): string {
    return this.#header.userSelect.value
  }

  /** Another user that the pane could show. */
  otherUserId(): string {
    return this.#options.config.users.find(({ id }) => id !== this.userId())?.id ?? ''
  }

  /** The name of the protocol. */
  protocol(): string {
    return this.#header.protocolSelect.selectedOptions[0]?.label ?? ''
  }

  become(userId: string): void {
    this.#header.userSelect.value = userId
    this.#chosen()
  }

  isConnected(): boolean {
    const { state, line, chat } = this.#session
    return state === 'open' && !line.isCut && chat.knowsPresence()
  }

  openPeer(userId: string): Promise<void> {
    return this.#chat.openPeer(userId)
  }

  /** Types a message, and sends it. */
  write(content: string): Promise<void> {
    return this.#chat.write(content)
  }

  /** How many messages with this content the server has. */
  count(content: string): number {
    return this.#chat.count(content)
  }

  setCut(isCut: boolean): void {
    const { line } = this.#session
    if (isCut === line.isCut) return
    if (!isCut) line.restore()
    else {
      this.#chat.clearStrip()
      line.cut()
    }
    this.#drawHeader()
  }

  /** For the user and the protocol that are chosen in the header. */
  #createSession(): Session {
    const { config } = this.#options
    const me = config.users.find(({ id }) => id === this.userId()) as Person
    const protocol = this.#header.protocolSelect.value as Protocol
    return new Session({ me, protocol, config, listener: this.#sessionListener(protocol) })
  }

  #sessionListener(protocol: Protocol): SessionListener {
    return {
      frame: (frame) => this.#frames.add(frame, protocol === 'legacy' ? this.#interpret(frame) : undefined),
      stateChanged: () => this.#drawHeader(),
      event: (event) => this.#chat.received(event),
      resumed: (count, after) => this.#chat.resumed(count, after),
      loaded: () => this.#chat.openFirst(this.#options.peerId),
      changed: (change) => this.#chat.changed(change),
      failed: (error) => this.#chat.showError(error),
    }
  }

  /** The user or the protocol was chosen. */
  #chosen(): void {
    this.#session.close()
    this.#session = this.#createSession()
    this.#chat.use(this.#session)
    this.#frames.clear()
    this.#session.open()
    this.#draw()
    this.#options.onChosen()
  }

  #draw(): void {
    this.#drawHeader()
    this.#chat.draw()
  }

  #drawHeader(): void {
    const { status, cut } = this.#header
    const { line, state } = this.#session
    const shown = line.isCut ? 'broken' : state
    this.element.dataset['state'] = shown
    status.textContent = this.#text[shown]
    cut.textContent = line.isCut ? this.#text.reconnect : this.#text.cut
    setAttributes(cut, { 'aria-pressed': String(line.isCut) })
  }
}

type Header = ReturnType<typeof createHeader>

function createHeader({ config, userId, protocol }: PaneOptions, titleId: string) {
  const title = h('h2', { class: 'hidden', id: titleId })
  const users = config.users.map(({ id, name }) => h('option', { value: id, selected: id === userId }, name))
  const userSelect = h('select', {}, ...users)
  const protocols = Object.keys(PROTOCOLS).map((name) => h('option', { value: name, selected: name === protocol }))
  const protocolSelect = h('select', {}, ...protocols)
  const status = h('span', { class: 'status', role: 'status' })
  const cut = h('button', { type: 'button', class: 'cut' })
  const bar = h('header', { class: 'pane-header' }, userSelect, protocolSelect, status, cut)
  return { title, bar, userSelect, protocolSelect, status, cut }
}
