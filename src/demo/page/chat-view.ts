/** The chat in a pane: the list of conversations, and the open one. */
import type { Change, Chat } from './chat.ts'
import type { ChatEvent } from './connection.ts'
import type { Conversation } from './conversation.ts'
import { avatarOf, createConversationList, type ConversationList } from './conversation-list.ts'
import { BLOCK, MARK_UNREAD, UNBLOCK } from './documents.ts'
import { h, replaceChildren, setAttributes } from './dom.ts'
import { MessageList, type MessageListActions } from './message-list.ts'
import { query } from './server.ts'
import type { Session } from './session.ts'
import { createStrip, type Strip } from './strip.ts'
import { createThreadTools, type ThreadTools } from './thread-tools.ts'
import type { Text } from './text.ts'
import { Writing } from './writing.ts'

export interface ChatViewOptions {
  side: 'left' | 'right'
  session: Session
  text: Text
  /** A conversation was opened. */
  onOpened: () => void
}

/** For a conversation next to the list. */
export const HAS_ROOM = '(min-width: 560px)'
const KEY_MS = 25

export class ChatView {
  readonly #options: ChatViewOptions
  readonly #list = createConversationList((id) => this.#choose(id))
  readonly #strip = createStrip()
  readonly #tools = createThreadTools({
    block: (conversation, blocked) => this.#block(conversation, blocked),
    goTo: (messageId) => this.#goTo(messageId),
    failed: (error) => this.showError(error),
  })
  readonly #messages = new MessageList(this.#messageActions())
  readonly #writing: Writing
  readonly #elements: Elements
  #session: Session
  #text: Text
  /** The open conversation. */
  #openId: string | undefined

  constructor(options: ChatViewOptions) {
    this.#options = options
    this.#session = options.session
    this.#text = options.text
    this.#writing = new Writing({
      counterId: `${options.side}-counter`,
      session: () => this.#session,
      opened: () => this.#opened(),
      text: () => this.#text,
      changed: () => this.#drawThread(),
    })
    this.#elements = createElements(this.#list, this.#strip, this.#tools, this.#messages, this.#writing)
    const { back, thread } = this.#elements
    back.addEventListener('click', () => this.#leave())
    thread.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#leave()
    })
    document.addEventListener('visibilitychange', () => this.markRead())
  }

  get element(): HTMLElement {
    return this.#elements.chat
  }

  /** Shows another session, and no conversation yet. */
  use(session: Session): void {
    this.#session = session
    this.#openId = undefined
    this.#writing.reset()
    this.#strip.clear()
  }

  speak(text: Text): void {
    this.#text = text
    setAttributes(this.#elements.back, { 'aria-label': text.back })
    setAttributes(this.#list.element, { 'aria-label': `${text[this.#options.side]}: ${text.conversations}` })
  }

  draw(): void {
    this.#drawList()
    this.#drawThread()
    this.#strip.show(this.#openId, this.#text)
    this.markRead()
  }

  /** An event arrived, which the chat applies next. */
  received(event: ChatEvent): void {
    if (event.kind === 'gap') this.#strip.failed(this.#text.gap)
    if (event.kind === 'message') this.#writing.arrived(event.message)
  }

  resumed(count: number, after: string): void {
    this.#strip.resumed(this.#openId, count, after)
  }

  changed({ conversationId, message }: Change): void {
    this.#drawList()
    if (message) this.#messages.update(this.#session.chat, message, this.#text)
    else if (conversationId === undefined || conversationId === this.#openId) this.#drawThread()
    this.markRead()
  }

  showError(error: unknown): void {
    this.#strip.failed(error instanceof Error ? error.message : String(error))
  }

  clearStrip(): void {
    this.#strip.clear()
  }

  /** Visible messages have been read. */
  markRead(): void {
    const conversation = this.#opened()
    if (!conversation || document.visibilityState !== 'visible' || !this.#elements.thread.checkVisibility()) return
    const unread = this.#session.chat.takeUnread(conversation)
    if (unread.length === 0) return
    this.#attempt(({ connection }) => connection.markRead(unread))
    this.#drawList()
  }

  /** Opens a conversation if there is room beside the list, and none is open. */
  async openFirst(peerId: string): Promise<void> {
    if (this.#openId === undefined && matchMedia(HAS_ROOM).matches) await this.openPeer(peerId)
  }

  /** Opens the conversation with another user. */
  async openPeer(peerId: string): Promise<void> {
    const conversation = this.#session.chat.conversations().find((each) => each.peerId === peerId)
    if (conversation && conversation.id !== this.#openId) await this.#show(conversation.id)
  }

  /** Types a message, and sends it. */
  async write(content: string): Promise<void> {
    const { composer } = this.#writing
    let typed = ''
    for (const character of content) {
      composer.fill((typed += character))
      await new Promise((resolve) => setTimeout(resolve, KEY_MS))
    }
    composer.submit()
  }

  /** How many messages of the open conversation with this content the server has. */
  count(content: string): number {
    return (this.#opened()?.messages ?? []).filter((message) => message.content === content).length
  }

  #messageActions(): MessageListActions {
    return {
      react: (message, reaction, isAdded) => this.#attempt(({ connection }) => connection.react(message, reaction, isAdded)),
      answer: (message) => this.#writing.answer(message),
      edit: (message) => this.#writing.edit(message),
      delete: (message) => this.#attempt(({ connection }) => connection.delete(message)),
      markUnread: ({ conversationId, id }) =>
        this.#attempt(({ chat }) => query(chat.me.id, MARK_UNREAD, { conversationId, fromMessageId: id })),
      retry: (pending) => void this.#writing.deliver(pending),
      loadOlder: () => this.#loadOlder(),
      greet: () => this.#greet(),
    }
  }

  /** Shows any error. */
  #attempt(run: (session: Session) => Promise<unknown>): void {
    this.#session.attempt(run(this.#session))
  }

  #opened(): Conversation | undefined {
    return this.#openId === undefined ? undefined : this.#session.chat.get(this.#openId)
  }

  /** Chosen by the user: the focus moves along. */
  #choose(id: string): void {
    this.#attempt(() => this.#show(id))
    this.#writing.composer.focus()
  }

  async #show(id: string): Promise<void> {
    const { chat } = this.#session
    this.#openId = id
    chat.opened(id)
    this.#tools.close()
    this.#writing.cancel()
    this.#strip.clear(false)
    this.draw()
    this.#options.onOpened()
    if (chat.get(id)?.messages === undefined) await chat.loadMessages(id)
    await chat.loadBlocks()
  }

  #leave(): void {
    this.#openId = undefined
    this.draw()
    this.#list.focus()
  }

  #loadOlder(): void {
    const id = this.#openId
    if (id !== undefined) this.#attempt(({ chat }) => chat.loadMessages(id))
  }

  /** Shows a message of the open conversation, and loads older ones until it is there. */
  async #goTo(messageId: string): Promise<void> {
    const { chat } = this.#session
    const id = this.#openId
    while (id !== undefined && id === this.#openId && !this.#messages.goTo(messageId) && chat.get(id)?.older)
      await chat.loadMessages(id)
  }

  #greet(): void {
    const { composer } = this.#writing
    composer.fill(this.#text.greeting)
    composer.focus()
  }

  #block({ peerId: userId }: Conversation, blocked: boolean): void {
    if (userId === null) return
    this.#attempt(async ({ chat }) => {
      await query(chat.me.id, blocked ? BLOCK : UNBLOCK, { userId })
      // The legacy protocol tells nothing of it.
      chat.apply({ kind: 'blocked', userId, blocked }, false)
    })
  }

  #drawList(): void {
    this.#list.show(this.#session.chat, this.#openId, this.#text)
  }

  #drawThread(): void {
    const { chat } = this.#session
    const text = this.#text
    const { title, typing } = this.#elements
    const conversation = this.#opened()
    this.element.classList.toggle('is-open', conversation !== undefined)
    const isBlocked = conversation !== undefined && chat.isBlocked(conversation)
    this.#writing.composer.show(isBlocked ? undefined : conversation?.title, text)
    this.#tools.show(conversation, isBlocked, chat.me.id, text)
    replaceChildren(title, ...titleOf(conversation, chat, text))
    const names = [...(conversation?.typing.values() ?? [])].map(({ name }) => name)
    typing.textContent = names.length > 0 ? text.typing(names) : ''
    this.#messages.show(chat, conversation, this.#writing.pending(this.#openId), text)
  }
}

type Elements = ReturnType<typeof createElements>

function createElements(list: ConversationList, strip: Strip, tools: ThreadTools, messages: MessageList, { composer }: Writing) {
  const back = h('button', { type: 'button', class: 'quiet back' }, '‹')
  const title = h('div', { class: 'thread-title' })
  const typing = h('p', { class: 'typing', role: 'status' })
  const thread = h(
    'section',
    { class: 'thread' },
    h('header', {}, back, title, ...tools.buttons),
    strip.element,
    tools.element,
    messages.element,
    typing,
    composer.element,
  )
  const chat = h('div', { class: 'chat' }, list.element, thread)
  return { chat, thread, back, title, typing }
}

function titleOf(conversation: Conversation | undefined, chat: Chat, text: Text): HTMLElement[] {
  if (!conversation) return [h('p', { class: 'hint' }, text.choose)]
  const subtitle = h('p', { class: 'subtitle' }, subtitleOf(conversation, chat, text))
  return [avatarOf(conversation, chat, text), h('div', {}, h('h3', {}, conversation.title), subtitle)]
}

function subtitleOf({ peerId, others }: Conversation, chat: Chat, text: Text): string {
  const knows = chat.knowsPresence()
  const online = others.filter(({ id }) => chat.isOnline(id)).length
  if (peerId === null) return text.members(others.length + 1, knows ? online : undefined)
  return knows ? (chat.isOnline(peerId) ? text.online : text.offline) : text.unknown
}
