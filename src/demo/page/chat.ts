/** The chat of one user: its state, from queries and events. */
import type { ChatEvent, ChatMessage, Person } from './connection.ts'
import { conversationOf, isNewer, isUpTo, type Conversation, type Message, type Quoted } from './conversation.ts'
import { loadBlocked, loadConversations, loadHistory, loadPresence, type UserPresence } from './queries.ts'

/** What changed; without a message the whole conversation, without a conversation all of them. */
export interface Change {
  conversationId: string | undefined
  message?: Message
}

export class Chat {
  readonly me: Person
  readonly #everybody: readonly Person[]
  readonly #changed: (change: Change) => void
  readonly #conversations = new Map<string, Conversation>()
  readonly #online = new Map<string, boolean>()
  /** Quoted messages by id: they may be older than what is loaded. */
  readonly #quotes = new Map<string, Quoted>()
  /** Whom the user has blocked. */
  readonly #blocked = new Set<string>()
  /** The conversation that was opened and whose unread messages are not marked as new yet. */
  #justOpened: string | undefined
  #hasPresence = false
  #hasLine = false
  /** Events received while a query runs are newer than its result. */
  #buffered: [ChatEvent, boolean][] | undefined
  #queries = Promise.resolve()

  /** `everybody` are the demo's users: each can be written to before a conversation exists. */
  constructor(me: Person, everybody: readonly Person[], changed: (change: Change) => void) {
    this.me = me
    this.#everybody = everybody
    this.#changed = changed
  }

  /** By latest activity. */
  conversations(): Conversation[] {
    return [...this.#conversations.values()].sort((a, b) => (a.last === b.last ? 0 : a.last && isNewer(a.last, b.last) ? -1 : 1))
  }

  get(id: string): Conversation | undefined {
    return this.#conversations.get(id)
  }

  /** The message replied to; undefined if there is none, or it is not known. */
  quoted({ conversationId, replyToId }: ChatMessage): Quoted | undefined {
    if (replyToId === null) return undefined
    return this.#messageOf(conversationId, replyToId) ?? this.#quotes.get(replyToId)
  }

  isOnline(userId: string): boolean {
    return this.#hasLine && this.#online.get(userId) === true
  }

  /** Whether `isOnline` is current: presence is unknown while the connection is down. */
  knowsPresence(): boolean {
    return this.#hasLine && this.#hasPresence
  }

  /** Whether the user has blocked the other one. */
  isBlocked({ peerId }: Conversation): boolean {
    return peerId !== null && this.#blocked.has(peerId)
  }

  /** Reloads the conversations, and the newest messages of those that had some. */
  load(): Promise<void> {
    return this.#queue(async () => {
      const { conversations, presence, blocked } = await loadConversations(this.me)
      const loaded = [...this.#conversations.values()].flatMap(({ id, messages }) => (messages ? [id] : []))
      this.#conversations.clear()
      for (const summary of conversations) this.#conversations.set(summary.id, conversationOf(summary))
      this.#addStrangers()
      this.#setPresence(presence)
      this.#setBlocked(blocked)
      for (const id of loaded) await this.#loadPage(id)
      this.#changed({ conversationId: undefined })
    })
  }

  /** Loads the newest messages of a conversation, or the next older ones if some are loaded. */
  loadMessages(id: string): Promise<void> {
    return this.#queue(() => this.#loadPage(id))
  }

  /** Reloads who is online: changes of presence while the connection was down are not replayed. */
  loadPresence(): Promise<void> {
    return this.#queue(async () => {
      this.#setPresence(await loadPresence(this.me))
      this.#changed({ conversationId: undefined })
    })
  }

  /** Loads whom the user has blocked: the legacy protocol does not tell of it. */
  loadBlocks(): Promise<void> {
    return this.#queue(async () => {
      this.#setBlocked(await loadBlocked(this.me))
      this.#changed({ conversationId: undefined })
    })
  }

  apply(event: ChatEvent, isResumed: boolean): void {
    if (this.#buffered) return void this.#buffered.push([event, isResumed])
    switch (event.kind) {
      case 'message':
        return this.#addMessage(event.message, isResumed)
      case 'edited':
        return this.#rewrite(event.message.conversationId, event.message.id, (shown) => {
          shown.content = event.message.content
          if ('isEdited' in shown) shown.isEdited = true
        })
      case 'deleted':
        return this.#deleteMessage(event.conversationId, event.messageId)
      case 'read':
        return this.#change(event.messageId, ({ readBy }) => readBy.add(event.readerId))
      case 'reaction':
        return this.#change(event.messageId, ({ reactions }) => {
          if (event.userIds.length > 0) reactions.set(event.reaction, event.userIds)
          else reactions.delete(event.reaction)
        })
      case 'typing': {
        const typing = this.#conversations.get(event.conversationId)?.typing
        if (event.typing) typing?.set(event.user.id, event.user)
        else typing?.delete(event.user.id)
        return this.#changed({ conversationId: event.conversationId })
      }
      case 'marked':
        return this.#mark(event)
      case 'blocked':
        if (event.blocked) this.#blocked.add(event.userId)
        else this.#blocked.delete(event.userId)
        return this.#changed({ conversationId: undefined })
      case 'online':
        this.#online.set(event.userId, event.online)
        return this.#changed({ conversationId: undefined })
      case 'group':
      case 'gap':
        void this.load()
    }
  }

  /** The conversation is opened now: what is unread is marked as new, and is read. */
  opened(id: string): void {
    this.#justOpened = id
    const conversation = this.#conversations.get(id)
    if (conversation) this.seen(conversation)
  }

  /** Nothing of it is new any more. */
  seen(conversation: Conversation): void {
    conversation.isKeptUnread = false
    conversation.newFrom = undefined
  }

  /** Returns the loaded messages that the user has not read, oldest first; they count as read from then on. */
  takeUnread(conversation: Conversation): Message[] {
    if (!conversation.messages || conversation.isKeptUnread) return []
    const unread = conversation.messages.filter(
      ({ sender, readBy, isDeleted }) => sender.id !== this.me.id && !isDeleted && !readBy.has(this.me.id),
    )
    if (this.#justOpened === conversation.id) {
      this.#justOpened = undefined
      conversation.newFrom = unread[0]?.id
    }
    for (const { readBy } of unread) readBy.add(this.me.id)
    conversation.unread = Math.max(0, conversation.unread - unread.length)
    return unread
  }

  /** Presence and typing are unknown from now on. */
  lineLost(): void {
    for (const { typing } of this.#conversations.values()) typing.clear()
    this.#hasLine = this.#hasPresence = false
    this.#online.clear()
    this.#changed({ conversationId: undefined })
  }

  lineFound(): void {
    this.#hasLine = true
  }

  /** Runs queries one after the other, each applied before the events received meanwhile. */
  #queue(run: () => Promise<void>): Promise<void> {
    const turn = this.#queries.then(async () => {
      this.#buffered = []
      try {
        await run()
      } finally {
        const events = this.#buffered
        this.#buffered = undefined
        for (const [event, isResumed] of events) this.apply(event, isResumed)
      }
    })
    this.#queries = turn.catch(() => undefined)
    return turn
  }

  /** Users without a conversation yet. */
  #addStrangers(): void {
    const { me } = this
    const known = new Set([...this.#conversations.values()].map(({ peerId }) => peerId))
    for (const user of this.#everybody) {
      if (user.id === me.id || known.has(user.id)) continue
      const [low, high] = Number(me.id) < Number(user.id) ? [me.id, user.id] : [user.id, me.id]
      const id = `direct_${low}_${high}`
      const nothing = { unread: 0, readUpTo: null, last: null }
      const stranger = { id, isGroup: false, title: user.name, peerId: user.id, others: [user], ...nothing }
      this.#conversations.set(id, conversationOf(stranger))
    }
  }

  #setPresence(users: readonly UserPresence[]): void {
    for (const { id, online } of users) this.#online.set(id, online)
    this.#hasPresence = true
  }

  #setBlocked(userIds: readonly string[]): void {
    this.#blocked.clear()
    for (const userId of userIds) this.#blocked.add(userId)
  }

  async #loadPage(id: string): Promise<void> {
    const conversation = this.#conversations.get(id)
    if (!conversation) return
    const { messages, quotes, older } = await loadHistory(this.me, conversation)
    for (const quote of quotes) this.#quotes.set(quote.id, quote)
    // Receipts stay where a message is marked unread: the pointer knows.
    const isUnread = (message: Message): boolean => conversation.unread > 0 && !isUpTo(conversation.readUpTo, message)
    for (const message of messages) {
      if (message.sender.id === this.me.id) continue
      if (isUnread(message)) message.readBy.delete(this.me.id)
      else message.readBy.add(this.me.id)
    }
    conversation.messages = [...messages, ...(conversation.messages ?? [])]
    conversation.older = older
    this.#changed({ conversationId: id })
  }

  #messageOf(conversationId: string, messageId: string): Message | undefined {
    return this.#conversations.get(conversationId)?.messages?.find(({ id }) => id === messageId)
  }

  #addMessage(message: ChatMessage, isResumed: boolean): void {
    const conversation = this.#conversations.get(message.conversationId)
    if (!conversation) return void this.load()
    if (isNewer(message, conversation.last)) {
      conversation.last = message
      if (message.sender.id !== this.me.id) conversation.unread++
    }
    conversation.typing.delete(message.sender.id)
    const { messages } = conversation
    if (messages && !messages.some(({ id }) => id === message.id)) {
      const at = messages.findLastIndex((each) => isNewer(message, each)) + 1
      messages.splice(at, 0, { ...message, reactions: new Map(), readBy: new Set(), isResumed })
    }
    this.#changed({ conversationId: conversation.id })
  }

  /** Changes what is shown with one message. */
  #change(messageId: string, apply: (message: Message) => void): void {
    for (const { id, messages } of this.#conversations.values()) {
      const message = messages?.find((each) => each.id === messageId)
      if (!message) continue
      apply(message)
      this.#changed({ conversationId: id, message })
    }
  }

  /** A message's new state; `apply` is called wherever it is shown. */
  #rewrite(conversationId: string, messageId: string, apply: (shown: { content: string; isDeleted: boolean }) => void): void {
    const conversation = this.#conversations.get(conversationId)
    if (!conversation) return
    const rewritten = <M extends { content: string; isDeleted: boolean }>(message: M): M => {
      const copy = { ...message }
      apply(copy)
      return copy
    }
    const message = this.#messageOf(conversationId, messageId)
    if (message) apply(message)
    const quote = this.#quotes.get(messageId)
    if (quote) this.#quotes.set(messageId, rewritten(quote))
    if (conversation.last?.id === messageId) conversation.last = rewritten(conversation.last)
    this.#changed({ conversationId })
  }

  #deleteMessage(conversationId: string, messageId: string): void {
    const conversation = this.#conversations.get(conversationId)
    const message = this.#messageOf(conversationId, messageId)
    // Known only for loaded messages.
    if (conversation && !conversation.messages && conversation.unread > 0) void this.load()
    else if (conversation && message && message.sender.id !== this.me.id && !message.readBy.has(this.me.id)) {
      conversation.unread = Math.max(0, conversation.unread - 1)
    }
    message?.reactions.clear()
    this.#rewrite(conversationId, messageId, (shown) => {
      shown.content = ''
      shown.isDeleted = true
    })
  }

  /** The user read, or marked unread, on this device or another: reading moves the pointer on, marking unread moves it back. */
  #mark({ conversationId, readUpTo, unread }: ChatEvent & { kind: 'marked' }): void {
    const conversation = this.#conversations.get(conversationId)
    if (!conversation) return
    const isBack = conversation.readUpTo !== null && (readUpTo === null || BigInt(readUpTo) < BigInt(conversation.readUpTo))
    const isRead = (message: Message): boolean => isUpTo(readUpTo, message)
    const theirs = (conversation.messages ?? []).filter(({ sender, isDeleted }) => sender.id !== this.me.id && !isDeleted)
    for (const message of theirs) {
      if (isRead(message)) message.readBy.add(this.me.id)
      else if (isBack) message.readBy.delete(this.me.id)
    }
    if (isBack) {
      conversation.isKeptUnread = true
      conversation.newFrom = theirs.find((message) => !isRead(message))?.id
    }
    conversation.readUpTo = readUpTo
    conversation.unread = isBack ? unread : Math.min(unread, conversation.unread)
    this.#changed({ conversationId })
  }
}
