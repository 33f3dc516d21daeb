/** What happened in a run, as an outside observer sees it: what was asked, answered, delivered, and what the database has committed. */
import type { EventRow } from './model/tables.ts'

/** What a client asks for. */
export interface Request {
  op: string
  userId: number
  /** The idempotency key of a send. */
  key?: string
  content?: string
  messageId?: number
  reaction?: string
  conversationId?: string
  memberId?: number
}

export type Entry =
  | { kind: 'fault'; what: string }
  | { kind: 'asked'; request: number; about: Request }
  /** `code`: `ok`, or why not; `unknown` where no answer came. */
  | { kind: 'answered'; request: number; code: string; messageId?: number }
  /** A stream of events: a connection of the legacy protocol, or one subscription. */
  | { kind: 'opened'; stream: string; client: string; userId: number; node: string; protocol: Protocol; after: string | null }
  /** A connection of the legacy protocol asks for what was missed. */
  | { kind: 'resumes'; stream: string }
  | { kind: 'resumed'; stream: string; complete: boolean }
  | { kind: 'delivered'; stream: string; id: number | null; type: string; about: Delivered }
  /** Instead of an event its errors: its client is to resume before it. */
  | { kind: 'failed'; stream: string }
  | { kind: 'closed'; stream: string; code: number }
  /** What the client's library gave to its program. */
  | { kind: 'given'; client: string; id: number; type: string }
  | { kind: 'told incomplete'; client: string }
  /** A query with a cursor: which messages it showed. The program goes on after it. */
  | { kind: 'loading'; client: string }
  | { kind: 'loaded'; client: string; messages: number[] }
  | { kind: 'client'; client: string; userId: number; protocol: Protocol }
  /** Its program has ended for good. */
  | { kind: 'client left'; client: string }

export type Protocol = 'legacy' | 'graphql'

/** What of a delivery the rules look at. */
export interface Delivered {
  messageId?: number
  content?: string
  userId?: number
  conversationId?: string
  online?: boolean
  typing?: boolean
  readUpTo?: number | null
}

export type Recorded = Entry & { at: number }

/** An event as it was committed, and when, by the true time. */
export interface CommittedEvent extends EventRow {
  committedAt: number
}

export interface Member {
  userId: number
  groupId: number
}

/** All that a rule looks at. */
export interface History {
  entries: readonly Recorded[]
  committed: readonly CommittedEvent[]
  /** At the end. */
  state: FinalState
}

export interface StoredMessage {
  id: number
  conversationId: string
  senderId: number
  content: string
  key: string | null
  isDeleted: boolean
  isEdited: boolean
}

export interface FinalState {
  messages: readonly StoredMessage[]
  reactions: readonly { messageId: number; userId: number; reaction: string }[]
  members: readonly Member[]
  /** Up to which `seq` retention took each topic's events. */
  swept: Readonly<Record<string, number>>
  heads: Readonly<Record<string, number>>
  online: readonly number[]
  /** Whether the bus lost nothing and no node died, so that what is not kept was delivered. */
  isSteady: boolean
  /** Bugs that a node reported: anything but an outage. */
  failures: readonly string[]
  /** Who shares a conversation with whom. */
  contacts: Readonly<Record<number, readonly number[]>>
}

/** A line for a reader. */
export function lineOf({ at, kind, ...rest }: Recorded): string {
  const about = Object.entries(rest)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
  return `${at.toFixed(1).padStart(9)} ${kind.padEnd(15)} ${about}`
}
