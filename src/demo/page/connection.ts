/** What the chat needs of a protocol: both panes show the same chat, over different ones. */

export interface Person {
  readonly id: string
  readonly name: string
}

export interface ChatMessage {
  readonly id: string
  readonly conversationId: string
  readonly isGroup: boolean
  readonly sender: Person
  /** Empty where the message is deleted. */
  readonly content: string
  readonly timestamp: string
  /** The message that it answers. */
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
  /** Members or settings of a group have changed. */
  | { readonly kind: 'group' }
  /** More was missed than can be resumed. */
  | { readonly kind: 'gap' }

export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'closed'

export interface Target {
  readonly conversationId: string
  /** Null for a group. */
  readonly peerId: string | null
}

export interface ConnectionListener {
  state(state: ConnectionState): void
  /** `isResumed`: it came late, by a resume. */
  event(event: ChatEvent, isResumed: boolean): void
  /** The connection came back and asked for what was missed since `after`; called again while more of it comes. */
  resumed(count: number, after: string): void
}

/** Requests wait for the line where it is broken, and are repeated where that is safe. */
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
  /** The event to begin after. */
  after: string
  listener: ConnectionListener
}
