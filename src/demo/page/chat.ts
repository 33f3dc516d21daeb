/** The chat of one user: its state, from queries and events. */
import type { ChatEvent, ChatMessage, Person } from './connection.ts'
import { BLOCKS, CONVERSATIONS, HISTORY, PRESENCE } from './documents.ts'
import { query } from './server.ts'

export interface Message extends ChatMessage {
  content: string
  isEdited: boolean
  isDeleted: boolean
  /** Users with each reaction. */
  reactions: Map<string, readonly string[]>
  readBy: Set<string>
  /** It was delivered by a resume. */
  isResumed: boolean
}

export type LastMessage = Pick<ChatMessage, 'id' | 'sender' | 'content' | 'timestamp' | 'isDeleted'>
/** A message as quoted by a reply to it. */
export type Quoted = Pick<ChatMessage, 'id' | 'sender' | 'content' | 'isDeleted'>

export interface Conversation {
  readonly id: string
  readonly isGroup: boolean
  /** The group's name, or the other user's. */
  readonly title: string
  /** Null for a group. */
  readonly peerId: string | null
  /** All but the user. */
  readonly others: readonly Person[]
  unread: number
  /** As the server said last. */
  readUpTo: string | null
  last: LastMessage | null
  readonly typing: Map<string, Person>
  /** Oldest first; undefined: not loaded. */
  messages: Message[] | undefined
  /** The cursor of older messages; null if there are none. */
  older: string | null
  /** The first message that was unread when the conversation was opened. */
  newFrom: string | undefined
  /** Marked unread: stays so until it is opened again. */
  isKeptUnread: boolean
}

export interface Chat {
  readonly me: Person
  /** By latest activity. */
  conversations(): Conversation[]
  get(id: string): Conversation | undefined
  /** The message replied to; undefined if there is none, or it is not known. */
  quoted(message: ChatMessage): Quoted | undefined
  isOnline(userId: string): boolean
  /** Whether `isOnline` is current: presence is unknown while the connection is down. */
  knowsPresence(): boolean
  /** Reloads the conversations, and the newest messages of those that had some. */
  load(): Promise<void>
  /** Loads the newest messages of a conversation, or the next older ones if some are loaded. */
  loadMessages(id: string): Promise<void>
  apply(event: ChatEvent, isResumed: boolean): void
  /** Whether the user has blocked the other one. */
  isBlocked(conversation: Conversation): boolean
  /** Loads whom the user has blocked: the legacy protocol does not tell of it. */
  loadBlocks(): Promise<void>
  /** The conversation is opened now: what is unread is marked as new, and is read. */
  opened(id: string): void
  /** Nothing of it is new any more. */
  seen(conversation: Conversation): void
  /** Returns the loaded messages that the user has not read, oldest first; they count as read from then on. */
  takeUnread(conversation: Conversation): Message[]
  /** Reloads who is online: changes of presence while the connection was down are not replayed. */
  loadPresence(): Promise<void>
  /** Presence and typing are unknown from now on. */
  lineLost(): void
  lineFound(): void
}

/** What changed; without a message the whole conversation. */
export interface Change {
  conversationId: string | undefined
  message?: Message
}

type Edges<T> = { edges: { node: T }[] }

interface ConversationNode {
  id: string
  isGroup: boolean
  group: { name: string } | null
  members: Edges<Person & { online: boolean }>
  unreadCount: number
  readUpTo: string | null
  lastMessage: Loaded<LastMessage> | null
}

/** As returned by a query. */
type Loaded<M extends { isDeleted: boolean }> = Omit<M, 'isDeleted'> & { deletedAt: string | null }

interface MessageNode extends Loaded<Omit<ChatMessage, 'conversationId' | 'isGroup' | 'isEdited'>> {
  editedAt: string | null
  replyTo: Loaded<Quoted> | null
  reactions: { reaction: string; userIds: string[] }[]
  readBy: { readerId: string }[]
}

interface Blocks {
  blockedUsers: Edges<{ id: string }>
}

interface History {
  conversation: { messages: Edges<MessageNode> & { pageInfo: { hasNextPage: boolean; endCursor: string | null } } } | null
}

const isDeletedOf = <M extends { deletedAt: string | null }>({ deletedAt, ...message }: M) => ({
  ...message,
  isDeleted: deletedAt !== null,
})

const isNewer = (a: LastMessage, b: LastMessage | null): boolean => b === null || BigInt(a.id) > BigInt(b.id)

/** Whether a message is not after the one with the id `readUpTo`. */
const isUpTo = (readUpTo: string | null, { id }: LastMessage): boolean => readUpTo !== null && BigInt(id) <= BigInt(readUpTo)

/** `everybody` are the demo's users: each can be written to before a conversation exists. */
export function createChat(me: Person, everybody: readonly Person[], changed: (change: Change) => void): Chat {
  const conversations = new Map<string, Conversation>()
  const online = new Map<string, boolean>()
  /** Quoted messages by id: they may be older than what is loaded. */
  const quotes = new Map<string, Quoted>()
  /** Whom the user has blocked. */
  const blocked = new Set<string>()
  /** The conversation that was opened and whose unread messages are not marked as new yet. */
  let justOpened: string | undefined
  let hasPresence = false
  let hasLine = false
  /** Events received while a query runs are newer than its result. */
  let held: [ChatEvent, boolean][] | undefined
  let queries = Promise.resolve()

  /** Runs queries one after the other, each applied before the events received meanwhile. */
  function queue(run: () => Promise<void>): Promise<void> {
    const turn = queries.then(async () => {
      held = []
      try {
        await run()
      } finally {
        const events = held
        held = undefined
        for (const [event, isResumed] of events) chat.apply(event, isResumed)
      }
    })
    queries = turn.catch(() => undefined)
    return turn
  }

  function add(
    conversation: Pick<Conversation, 'id' | 'isGroup' | 'title' | 'peerId' | 'others' | 'unread' | 'readUpTo' | 'last'>,
  ): void {
    const nothing = { messages: undefined, older: null, newFrom: undefined, isKeptUnread: false }
    conversations.set(conversation.id, { ...conversation, ...nothing, typing: new Map() })
  }

  function takeBlocks({ blockedUsers }: Blocks): void {
    blocked.clear()
    for (const { node } of blockedUsers.edges) blocked.add(node.id)
  }

  function addNode({ id, isGroup, group, members, unreadCount, readUpTo, lastMessage }: ConversationNode): void {
    const others = members.edges.map(({ node }) => node).filter((member) => member.id !== me.id)
    for (const member of others) online.set(member.id, member.online)
    const [peer] = others
    const title = (isGroup ? group?.name : peer?.name) ?? id
    add({
      id,
      isGroup,
      title,
      peerId: isGroup ? null : (peer?.id ?? null),
      others,
      unread: unreadCount,
      readUpTo,
      last: lastMessage && isDeletedOf(lastMessage),
    })
  }

  /** Users without a conversation yet. */
  function addStrangers(): void {
    const known = new Set([...conversations.values()].map(({ peerId }) => peerId))
    for (const user of everybody) {
      if (user.id === me.id || known.has(user.id)) continue
      const [low, high] = Number(me.id) < Number(user.id) ? [me.id, user.id] : [user.id, me.id]
      const id = `direct_${low}_${high}`
      add({ id, isGroup: false, title: user.name, peerId: user.id, others: [user], unread: 0, readUpTo: null, last: null })
    }
  }

  function takeMessage(message: ChatMessage, isResumed: boolean): void {
    const conversation = conversations.get(message.conversationId)
    if (!conversation) return void chat.load()
    if (isNewer(message, conversation.last)) {
      conversation.last = message
      if (message.sender.id !== me.id) conversation.unread++
    }
    conversation.typing.delete(message.sender.id)
    const { messages } = conversation
    if (messages && !messages.some(({ id }) => id === message.id)) {
      const at = messages.findLastIndex((each) => isNewer(message, each)) + 1
      messages.splice(at, 0, { ...message, reactions: new Map(), readBy: new Set(), isResumed })
    }
    changed({ conversationId: conversation.id })
  }

  function change(messageId: string, apply: (message: Message) => void): void {
    for (const { id, messages } of conversations.values()) {
      const message = messages?.find((each) => each.id === messageId)
      if (!message) continue
      apply(message)
      changed({ conversationId: id, message })
    }
  }

  /** A message's new state; `apply` is called wherever it is shown. */
  function rewrite(
    conversationId: string,
    messageId: string,
    apply: (shown: { content: string; isDeleted: boolean }) => void,
  ): void {
    const conversation = conversations.get(conversationId)
    if (!conversation) return
    const rewritten = <M extends { content: string; isDeleted: boolean }>(message: M): M => {
      const copy = { ...message }
      apply(copy)
      return copy
    }
    const message = conversation.messages?.find(({ id }) => id === messageId)
    if (message) apply(message)
    const quote = quotes.get(messageId)
    if (quote) quotes.set(messageId, rewritten(quote))
    if (conversation.last?.id === messageId) conversation.last = rewritten(conversation.last)
    changed({ conversationId })
  }

  function takeDeletion(conversationId: string, messageId: string): void {
    const conversation = conversations.get(conversationId)
    const message = conversation?.messages?.find(({ id }) => id === messageId)
    // Known only for loaded messages.
    if (conversation && !conversation.messages && conversation.unread > 0) void chat.load()
    else if (conversation && message && message.sender.id !== me.id && !message.readBy.has(me.id)) {
      conversation.unread = Math.max(0, conversation.unread - 1)
    }
    message?.reactions.clear()
    rewrite(conversationId, messageId, (shown) => {
      shown.content = ''
      shown.isDeleted = true
    })
  }

  /** The user read, or marked unread, on this device or another: reading moves the pointer on, marking unread moves it back. */
  function takeMark({ conversationId, readUpTo, unread }: ChatEvent & { kind: 'marked' }): void {
    const conversation = conversations.get(conversationId)
    if (!conversation) return
    const isBack = conversation.readUpTo !== null && (readUpTo === null || BigInt(readUpTo) < BigInt(conversation.readUpTo))
    const isRead = (message: Message): boolean => isUpTo(readUpTo, message)
    const theirs = (conversation.messages ?? []).filter(({ sender, isDeleted }) => sender.id !== me.id && !isDeleted)
    for (const message of theirs) {
      if (isRead(message)) message.readBy.add(me.id)
      else if (isBack) message.readBy.delete(me.id)
    }
    if (isBack) {
      conversation.isKeptUnread = true
      conversation.newFrom = theirs.find((message) => !isRead(message))?.id
    }
    conversation.readUpTo = readUpTo
    conversation.unread = isBack ? unread : Math.min(unread, conversation.unread)
    changed({ conversationId })
  }

  async function loadPage(id: string): Promise<void> {
    const conversation = conversations.get(id)
    if (!conversation) return
    const answer = await query<History>(me.id, HISTORY, { conversationId: id, after: conversation.older })
    const page = answer.conversation?.messages
    for (const { node } of page?.edges ?? []) if (node.replyTo) quotes.set(node.replyTo.id, isDeletedOf(node.replyTo))
    const messages = (page?.edges ?? []).map(
      ({ node: { reactions, readBy, editedAt, replyTo: _replyTo, ...node } }): Message => ({
        ...isDeletedOf(node),
        isEdited: editedAt !== null,
        conversationId: id,
        isGroup: conversation.isGroup,
        reactions: new Map(reactions.map(({ reaction, userIds }) => [reaction, userIds])),
        readBy: new Set(readBy.map(({ readerId }) => readerId)),
        isResumed: false,
      }),
    )
    // Receipts stay where a message is marked unread: the pointer knows.
    const isUnread = (message: Message): boolean => conversation.unread > 0 && !isUpTo(conversation.readUpTo, message)
    for (const message of messages) {
      if (message.sender.id === me.id) continue
      if (isUnread(message)) message.readBy.delete(me.id)
      else message.readBy.add(me.id)
    }
    conversation.messages = [...messages.reverse(), ...(conversation.messages ?? [])]
    conversation.older = page?.pageInfo.hasNextPage ? page.pageInfo.endCursor : null
    changed({ conversationId: id })
  }

  const chat: Chat = {
    me,
    conversations: () =>
      [...conversations.values()].sort((a, b) => (a.last === b.last ? 0 : a.last && isNewer(a.last, b.last) ? -1 : 1)),
    get: (id) => conversations.get(id),
    quoted({ conversationId, replyToId }) {
      if (replyToId === null) return undefined
      return conversations.get(conversationId)?.messages?.find(({ id }) => id === replyToId) ?? quotes.get(replyToId)
    },
    isOnline: (userId) => hasLine && online.get(userId) === true,
    knowsPresence: () => hasLine && hasPresence,

    load: () =>
      queue(async () => {
        const answer = await query<{ conversations: Edges<ConversationNode> } & Blocks>(me.id, CONVERSATIONS)
        takeBlocks(answer)
        const loaded = [...conversations.values()].flatMap(({ id, messages }) => (messages ? [id] : []))
        conversations.clear()
        for (const { node } of answer.conversations.edges) addNode(node)
        addStrangers()
        hasPresence = true
        for (const id of loaded) await loadPage(id)
        changed({ conversationId: undefined })
      }),

    loadPresence: () =>
      queue(async () => {
        const answer = await query<{ conversations: Edges<Pick<ConversationNode, 'members'>> }>(me.id, PRESENCE)
        const members = answer.conversations.edges.flatMap(({ node }) => node.members.edges)
        for (const { node } of members) online.set(node.id, node.online)
        hasPresence = true
        changed({ conversationId: undefined })
      }),

    loadBlocks: () =>
      queue(async () => {
        takeBlocks(await query<Blocks>(me.id, BLOCKS))
        changed({ conversationId: undefined })
      }),

    loadMessages: (id) => queue(() => loadPage(id)),

    apply(event, isResumed) {
      if (held) return void held.push([event, isResumed])
      switch (event.kind) {
        case 'message':
          return takeMessage(event.message, isResumed)
        case 'edited':
          return rewrite(event.message.conversationId, event.message.id, (shown) => {
            shown.content = event.message.content
            if ('isEdited' in shown) shown.isEdited = true
          })
        case 'deleted':
          return takeDeletion(event.conversationId, event.messageId)
        case 'read':
          return change(event.messageId, ({ readBy }) => readBy.add(event.readerId))
        case 'reaction':
          return change(event.messageId, ({ reactions }) => {
            if (event.userIds.length > 0) reactions.set(event.reaction, event.userIds)
            else reactions.delete(event.reaction)
          })
        case 'typing': {
          const typing = conversations.get(event.conversationId)?.typing
          if (event.typing) typing?.set(event.user.id, event.user)
          else typing?.delete(event.user.id)
          return changed({ conversationId: event.conversationId })
        }
        case 'marked':
          return takeMark(event)
        case 'blocked':
          if (event.blocked) blocked.add(event.userId)
          else blocked.delete(event.userId)
          return changed({ conversationId: undefined })
        case 'online':
          online.set(event.userId, event.online)
          return changed({ conversationId: undefined })
        case 'group':
        case 'gap':
          void chat.load()
      }
    },

    isBlocked: ({ peerId }) => peerId !== null && blocked.has(peerId),

    opened(id) {
      justOpened = id
      const conversation = conversations.get(id)
      if (!conversation) return
      conversation.isKeptUnread = false
      conversation.newFrom = undefined
    },

    seen(conversation) {
      conversation.isKeptUnread = false
      conversation.newFrom = undefined
    },

    takeUnread(conversation) {
      if (!conversation.messages || conversation.isKeptUnread) return []
      const unread = conversation.messages.filter(
        ({ sender, readBy, isDeleted }) => sender.id !== me.id && !isDeleted && !readBy.has(me.id),
      )
      if (justOpened === conversation.id) {
        justOpened = undefined
        conversation.newFrom = unread[0]?.id
      }
      for (const { readBy } of unread) readBy.add(me.id)
      conversation.unread = Math.max(0, conversation.unread - unread.length)
      return unread
    },

    lineLost() {
      for (const { typing } of conversations.values()) typing.clear()
      hasLine = hasPresence = false
      online.clear()
      changed({ conversationId: undefined })
    },

    lineFound() {
      hasLine = true
    },
  }
  return chat
}
