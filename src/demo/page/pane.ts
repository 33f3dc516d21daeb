/** One half of the page: a user, a protocol, the chat, and its frames. */
import { randomId } from '../../clients/legacy/requests.ts'
import type { DemoConfig } from '../config.ts'
import { createChat, type Change, type Chat, type Conversation, type Message } from './chat.ts'
import { createComposer } from './composer.ts'
import type { ChatMessage, Connection, ConnectionState } from './connection.ts'
import { avatarOf, createConversationList } from './conversation-list.ts'
import { h, replaceChildren, setAttributes } from './dom.ts'
import { createFrameLog } from './frame-log.ts'
import { connectGraphql } from './graphql-connection.ts'
import { connectLegacy } from './legacy-connection.ts'
import { createLine, type Line } from './line.ts'
import { createMessageList, excerptOf, type Pending } from './message-list.ts'
import { BLOCK, MARK_UNREAD, UNBLOCK } from './documents.ts'
import { createInterpreter } from './operations.ts'
import { loadEvent, query } from './server.ts'
import { createStrip } from './strip.ts'
import { createThreadTools } from './thread-tools.ts'
import type { Text } from './text.ts'

const PROTOCOLS = { legacy: connectLegacy, graphql: connectGraphql } as const
export type Protocol = keyof typeof PROTOCOLS

export interface PaneOptions {
  side: 'left' | 'right'
  userId: string
  protocol: Protocol
  /** The conversation open from the start, if there is room. */
  peerId: string
  config: DemoConfig
  /** The user or the protocol has changed. */
  onChosen: () => void
  /** A conversation was opened. */
  onOpened: () => void
}

export interface Pane {
  readonly element: HTMLElement
  /** User and protocol, for the switch between the panes. */
  title(): string
  speak(text: Text): void
  /** The pane may be visible now. */
  shown(): void

  /** Actions of a user, for the guide. */
  userId(): string
  /** Other users that the pane could show. */
  otherUserId(): string
  /** The name of the protocol. */
  protocol(): string
  become(userId: string): void
  isConnected(): boolean
  openPeer(userId: string): Promise<void>
  /** Types a message, and sends it. */
  write(content: string): Promise<void>
  /** How many messages with this content the server has. */
  count(content: string): number
  setCut(isCut: boolean): void
}

/** While the user types this is sent at this interval; the server forgets it after 10 s. */
const TYPING_MS = 3000
/** For a conversation next to the list. */
export const HAS_ROOM = '(min-width: 560px)'
const KEY_MS = 25

export function createPane({ side, userId, protocol, peerId, config, onChosen, onOpened }: PaneOptions): Pane {
  // A separate stream would make a user online whose connection is cut.
  const interpret = createInterpreter(config, async (feed, id) =>
    line.isCut ? undefined : await loadEvent(userSelect.value, feed, id),
  )
  let text: Text
  let chat: Chat
  let connection: Connection
  let line: Line
  let state: ConnectionState = 'connecting'
  let openId: string | undefined
  let pending: Pending[] = []
  let saidTypingAt = 0
  /** What is written is a reply to a message, or a new version of it. */
  let about: { kind: 'answer' | 'edit'; message: Message } | undefined

  const heading = h('h2', { class: 'hidden', id: `${side}-title` })
  const userSelect = h(
    'select',
    {},
    ...config.users.map(({ id, name }) => h('option', { value: id, selected: id === userId }, name)),
  )
  const protocolSelect = h(
    'select',
    {},
    ...Object.keys(PROTOCOLS).map((name) => h('option', { value: name, selected: name === protocol })),
  )
  const status = h('span', { class: 'status', role: 'status' })
  const cut = h('button', { type: 'button', class: 'cut' })
  const list = createConversationList(open)
  const back = h('button', { type: 'button', class: 'quiet back' }, '‹')
  const threadTitle = h('div', { class: 'thread-title' })
  const strip = createStrip()
  const messages = createMessageList({
    react: (message, reaction, isAdded) => attempt(connection.react(message, reaction, isAdded)),
    answer: (message) => writeAbout({ kind: 'answer', message }),
    edit(message) {
      writeAbout({ kind: 'edit', message })
      composer.edit(message.content)
    },
    delete: (message) => attempt(connection.delete(message)),
    markUnread: ({ conversationId, id }) => attempt(query(chat.me.id, MARK_UNREAD, { conversationId, fromMessageId: id })),
    retry: (each) => void deliver(each),
    loadOlder: () => openId !== undefined && attempt(chat.loadMessages(openId)),
    greet() {
      composer.fill(text.greeting)
      composer.focus()
    },
  })
  const tools = createThreadTools({
    block(conversation, blocked) {
      const { peerId: userId } = conversation
      if (userId === null) return
      // The legacy protocol tells nothing of it.
      const applied = (): void => chat.apply({ kind: 'blocked', userId, blocked }, false)
      attempt(query(chat.me.id, blocked ? BLOCK : UNBLOCK, { userId }).then(applied))
    },
    async goTo(messageId) {
      const id = openId
      while (id !== undefined && id === openId && !messages.goTo(messageId) && chat.get(id)?.older) await chat.loadMessages(id)
    },
    failed: (error) => attempt(Promise.reject(error)),
  })
  const typing = h('p', { class: 'typing', role: 'status' })
  const composer = createComposer({ id: `${side}-counter`, onSend: submit, onInput: tellTyping, onCancel: cancel })
  const thread = h(
    'section',
    { class: 'thread' },
    h('header', {}, back, threadTitle, ...tools.buttons),
    strip.element,
    tools.element,
    messages.element,
    typing,
    composer.element,
  )
  const body = h('div', { class: 'chat' }, list.element, thread)
  const frames = createFrameLog(heading.id)
  const element = h(
    'section',
    { class: 'pane', id: side, 'aria-labelledby': heading.id },
    heading,
    h('header', { class: 'pane-header' }, userSelect, protocolSelect, status, cut),
    body,
    frames.element,
  )

  function connect(): void {
    connection?.close()
    const own = createLine()
    line = own
    openId = undefined
    about = undefined
    pending = []
    strip.clear()
    state = 'connecting'
    const me = config.users.find(({ id }) => id === userSelect.value) as DemoConfig['users'][number]
    chat = createChat(me, config.users, (change) => own === line && changed(change))
    let isLoaded = false
    own.watch((frame) => {
      if (own === line) frames.add(frame, protocolSelect.value === 'legacy' ? interpret(frame) : undefined)
    })
    frames.clear()
    connection = PROTOCOLS[protocolSelect.value as Protocol](own, {
      userId: me.id,
      after: config.lastEventId,
      listener: {
        state(next) {
          if (own !== line) return
          state = next
          if (next === 'waiting' || next === 'closed') chat.lineLost()
          if (next === 'open') {
            chat.lineFound()
            attempt(isLoaded ? chat.loadPresence() : load().then(() => (isLoaded = true)))
          }
          drawHeader()
        },
        event(event, isResumed) {
          if (own !== line) return
          if (event.kind === 'gap') strip.failed(text.gap)
          if (event.kind === 'message') arrived(event.message)
          chat.apply(event, isResumed)
        },
        resumed(count, after) {
          if (own !== line) return
          strip.resumed(openId, count, after)
        },
      },
    })
    draw()
  }

  async function load(): Promise<void> {
    await chat.load()
    const first = chat.conversations().find((conversation) => conversation.peerId === peerId)
    if (openId === undefined && first && matchMedia(HAS_ROOM).matches) await show(first.id)
  }

  /** Chosen by the user: the focus moves along. */
  function open(id: string): void {
    attempt(show(id))
    composer.focus()
  }

  async function show(id: string): Promise<void> {
    openId = id
    chat.opened(id)
    tools.close()
    cancel()
    strip.clear(false)
    draw()
    onOpened()
    if (chat.get(id)?.messages === undefined) await chat.loadMessages(id)
    await chat.loadBlocks()
  }

  function leave(): void {
    openId = undefined
    draw()
    list.focus()
  }

  function changed({ conversationId, message }: Change): void {
    drawList()
    if (message) messages.update(chat, message, text)
    else if (conversationId === undefined || conversationId === openId) drawThread()
    markRead()
  }

  /** Visible messages have been read. */
  function markRead(): void {
    const conversation = opened()
    if (!conversation || document.visibilityState !== 'visible' || !thread.checkVisibility()) return
    const unread = chat.takeUnread(conversation)
    if (unread.length === 0) return
    attempt(connection.markRead(unread))
    drawList()
  }

  const opened = (): Conversation | undefined => (openId === undefined ? undefined : chat.get(openId))

  /** Shows any error. */
  function attempt(what: Promise<unknown>): void {
    const own = line
    what.catch((error: unknown) => {
      if (own !== line) return
      strip.failed(error instanceof Error ? error.message : String(error))
    })
  }

  function submit(content: string): void {
    const conversation = opened()
    if (!conversation) return
    saidTypingAt = 0
    chat.seen(conversation)
    const { kind, message } = about ?? {}
    about = undefined
    drawAbout()
    if (message && kind === 'edit') return attempt(connection.edit(message, content))
    const replyToId = message?.id ?? null
    const each: Pending = { key: randomId(), conversationId: conversation.id, content, replyToId, problem: undefined }
    pending.push(each)
    void deliver(each)
  }

  function writeAbout(what: NonNullable<typeof about>): void {
    if (about?.kind === 'edit') composer.edit('')
    about = what
    drawAbout()
    composer.focus()
  }

  function cancel(): void {
    if (about?.kind === 'edit') composer.edit('')
    about = undefined
    drawAbout()
  }

  function drawAbout(): void {
    if (!about) return composer.about(undefined, text)
    const { sender, content } = about.message
    composer.about(about.kind === 'edit' ? text.editing : text.answering(sender.name, excerptOf(content)), text)
  }

  async function deliver(each: Pending): Promise<void> {
    each.problem = undefined
    drawThread()
    try {
      await connection.send(
        { conversationId: each.conversationId, peerId: chat.get(each.conversationId)?.peerId ?? null },
        each.content,
        each.key,
        each.replyToId,
      )
      pending = pending.filter((other) => other !== each)
    } catch (error) {
      each.problem = error instanceof Error ? error.message : String(error)
    }
    drawThread()
  }

  /** The push of a message may arrive before its sender's response: then it is no longer pending. */
  function arrived({ sender, conversationId, content }: ChatMessage): void {
    if (sender.id !== chat.me.id) return
    const known = pending.find((each) => each.conversationId === conversationId && each.content === content)
    pending = pending.filter((each) => each !== known)
  }

  function tellTyping(isEmpty: boolean): void {
    if (openId === undefined || state !== 'open') return
    const isTyping = !isEmpty
    if (isTyping ? Date.now() - saidTypingAt < TYPING_MS : saidTypingAt === 0) return
    saidTypingAt = isTyping ? Date.now() : 0
    // It ends by itself if the connection breaks.
    connection.setTyping(openId, isTyping).catch(() => undefined)
  }

  function draw(): void {
    drawHeader()
    drawList()
    drawThread()
    strip.show(openId, text)
    markRead()
  }

  function drawHeader(): void {
    const shown = line.isCut ? 'broken' : state
    element.dataset['state'] = shown
    status.textContent = text[shown]
    cut.textContent = line.isCut ? text.reconnect : text.cut
    setAttributes(cut, { 'aria-pressed': String(line.isCut) })
  }

  function drawList(): void {
    list.show(chat, openId, text)
  }

  function drawThread(): void {
    const conversation = opened()
    body.classList.toggle('is-open', conversation !== undefined)
    const isBlocked = conversation !== undefined && chat.isBlocked(conversation)
    composer.show(isBlocked ? undefined : conversation?.title, text)
    tools.show(conversation, isBlocked, chat.me.id, text)
    if (conversation) {
      replaceChildren(
        threadTitle,
        avatarOf(conversation, chat, text),
        h('div', {}, h('h3', {}, conversation.title), subtitleOf(conversation)),
      )
    } else replaceChildren(threadTitle, h('p', { class: 'hint' }, text.choose))
    const names = [...(conversation?.typing.values() ?? [])].map(({ name }) => name)
    typing.textContent = names.length > 0 ? text.typing(names) : ''
    messages.show(
      chat,
      conversation,
      pending.filter(({ conversationId }) => conversationId === openId),
      text,
    )
  }

  function subtitleOf({ peerId: peer, others }: Conversation): HTMLElement {
    const knows = chat.knowsPresence()
    const online = others.filter(({ id }) => chat.isOnline(id)).length
    if (peer === null) return h('p', { class: 'subtitle' }, text.members(others.length + 1, knows ? online : undefined))
    return h('p', { class: 'subtitle' }, knows ? (chat.isOnline(peer) ? text.online : text.offline) : text.unknown)
  }

  function setCut(isCut: boolean): void {
    if (isCut === line.isCut) return
    if (!isCut) line.restore()
    else {
      strip.clear()
      line.cut()
    }
    drawHeader()
  }

  const chosen = (): void => {
    connect()
    onChosen()
  }
  userSelect.addEventListener('change', chosen)
  protocolSelect.addEventListener('change', chosen)
  cut.addEventListener('click', () => setCut(!line.isCut))
  back.addEventListener('click', leave)
  thread.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') leave()
  })
  document.addEventListener('visibilitychange', markRead)

  return {
    element,
    title: () => `${userSelect.selectedOptions[0]?.label} · ${protocolSelect.selectedOptions[0]?.label}`,
    speak(next) {
      const isFirst = text === undefined
      text = next
      heading.textContent = text[side]
      setAttributes(userSelect, { 'aria-label': text.user })
      setAttributes(protocolSelect, { 'aria-label': text.protocol })
      for (const option of protocolSelect.options) option.textContent = text[option.value as Protocol]
      setAttributes(back, { 'aria-label': text.back })
      setAttributes(list.element, { 'aria-label': `${text[side]}: ${text.conversations}` })
      frames.speak(text)
      if (isFirst) connect()
      else draw()
    },
    shown: markRead,

    userId: () => userSelect.value,
    otherUserId: () => config.users.find(({ id }) => id !== userSelect.value)?.id ?? '',
    protocol: () => protocolSelect.selectedOptions[0]?.label ?? '',
    become(id) {
      userSelect.value = id
      chosen()
    },
    isConnected: () => state === 'open' && !line.isCut && chat.knowsPresence(),
    async openPeer(id) {
      const conversation = chat.conversations().find((each) => each.peerId === id)
      if (conversation && conversation.id !== openId) await show(conversation.id)
    },
    async write(content) {
      let typed = ''
      for (const character of content) {
        composer.fill((typed += character))
        await new Promise((resolve) => setTimeout(resolve, KEY_MS))
      }
      composer.submit()
    },
    count: (content) => (opened()?.messages ?? []).filter((message) => message.content === content).length,
    setCut,
  }
}
