/** Conversations and messages, as the page holds them. */
import type { ChatMessage, Person } from './connection.ts'

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

/** A message that the server has not accepted yet. */
export interface Pending {
  readonly key: string
  readonly conversationId: string
  readonly content: string
  readonly replyToId: string | null
  /** Why it was refused. */
  problem: string | undefined
}

/** A conversation without its messages. */
export interface Summary {
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
}

export interface Conversation extends Summary {
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

/** A conversation of which no messages are loaded. */
export const conversationOf = (summary: Summary): Conversation => ({
  ...summary,
  typing: new Map(),
  messages: undefined,
  older: null,
  newFrom: undefined,
  isKeptUnread: false,
})

export const isNewer = (a: LastMessage, b: LastMessage | null): boolean => b === null || BigInt(a.id) > BigInt(b.id)

/** Whether a message is not after the one with the id `readUpTo`. */
export const isUpTo = (readUpTo: string | null, { id }: LastMessage): boolean =>
  readUpTo !== null && BigInt(id) <= BigInt(readUpTo)
