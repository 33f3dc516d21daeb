/** What the chat needs of a protocol: both panes show the same chat over different protocols. */

export interface Person {
  readonly id: string
  readonly name: string
}

export interface ChatMessage {
  readonly id: string
  readonly conversationId: string
  readonly isGroup: boolean
  readonly sender: Person
  /** Empty if the message is deleted. */
  readonly content: string
  readonly timestamp: string
  /** The message it replies to. */
  readonly replyToId: string | null
  readonly isEdited: boolean
  readonly isDeleted: boolean
}

export type ChatEvent =
  | { readonly kind: 'message'; readonly message: ChatMessage }
  | { readonly kind: 'edited'; readonly message: ChatMessage }
  | { readonly kind: 'deleted'; readonly conversationId: string; readonly messageId: string }
  | { readonly kind: 'read'; readonly messageId: string; readonly readerId: string }
  | { readonly kind: 'reaction'; readonly messageId: string; readonly reaction: string; readonly userIds: readonly string[] }
  | { readonly kind: 'typing'; readonly conversationId: string; readonly user: Person; readonly typing: boolean }
  /** The user has read up to a message, or marked unread from one, on some device. */
  | { readonly kind: 'marked'; readonly conversationId: string; readonly readUpTo: string | null; readonly unread: number }
  /** The user blocked or unblocked somebody, on some device. */
  | { readonly kind: 'blocked'; readonly userId: string; readonly blocked: boolean }
  | { readonly kind: 'online'; readonly userId: string; readonly online: boolean }
  /** Members or settings of a group changed. */
  | { readonly kind: 'group' }
  /** More was missed than can be replayed. */
  | { readonly kind: 'gap' }

export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'closed'

export interface Target {
  readonly conversationId: string
  /** Null for a group. */
  readonly peerId: string | null
}

export interface ConnectionListener {
  state(state: ConnectionState): void
  /** `isResumed`: delivered by a resume. */
  event(event: ChatEvent, isResumed: boolean): void
  /** The connection is back and resumed after `after`; called again while replayed events arrive. */
  resumed: (count: number, after: string) => void
}

/** Requests wait for the connection if it is down, and are repeated if that is safe. */
export interface Connection {
  /** `key` makes a repeat safe. */
  send(target: Target, content: string, key: string, replyToId: string | null): Promise<void>
  edit(message: ChatMessage, content: string): Promise<void>
  /** For everybody. */
  delete(message: ChatMessage): Promise<void>
  setTyping(conversationId: string, typing: boolean): Promise<void>
  /** The messages, oldest first; not empty. */
  markRead(messages: readonly ChatMessage[]): Promise<void>
  react(message: ChatMessage, reaction: string, isAdded: boolean): Promise<void>
  close(): void
}

export interface ConnectionOptions {
  userId: string
  /** The event to start after. */
  after: string
  listener: ConnectionListener
}
