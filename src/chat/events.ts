import type { StoredEvent } from '../store/event-log.ts'
import type { GroupRecord } from '../store/groups.ts'
import type { MessageRecord } from '../store/messages.ts'
import type { NotificationRecord } from '../store/notifications.ts'

/** The topic of what concerns one user: direct messages, receipts of their messages, notifications, new memberships. */
export const userTopic = (userId: number): string => `user:${userId}`
/** The topic of a group's traffic. */
export const groupTopic = (groupId: number): string => `group:${groupId}`

export interface UserSnapshot {
  id: number
  name: string
  avatar: string | null
}

export interface ReadPayload {
  messageId: number
  conversationId: string
  isGroup: boolean
  readerId: number
}

export interface ReactionPayload {
  messageId: number
  conversationId: string
  isGroup: boolean
  userId: number
  reaction: string
  /** Who gives this reaction after the change, ids ascending. */
  userIds: number[]
}

/** The start of a membership: in the member's own topic it says from where in the group's topic events are theirs. */
export interface Opening {
  topic: string
  sinceSeq: number
}

export interface GroupPayload {
  group: GroupRecord
  /** With the first event of a group, in the topics of its first members. */
  opens?: Opening
}

export interface MembershipPayload {
  groupId: number
  conversationId: string
  user: UserSnapshot
  memberCount: number
  /** With a real start; absent in an event that is pushed again. */
  opens?: Opening
  /** With a real end: whose feeds of the group's topic end with this event. */
  closes?: number
}

export interface TypingPayload {
  conversationId: string
  isGroup: boolean
  user: UserSnapshot
  typing: boolean
}

export interface PresencePayload {
  userId: number
  online: boolean
  /** Milliseconds since the epoch. */
  lastActive: number
}

interface Payloads {
  message_sent: MessageRecord
  message_read: ReadPayload
  reaction_added: ReactionPayload
  reaction_removed: ReactionPayload
  group_updated: GroupPayload
  member_joined: MembershipPayload
  member_left: MembershipPayload
  notification: NotificationRecord
}

interface EphemeralPayloads {
  typing: TypingPayload
  presence: PresencePayload
  /** Made by a feed whose resume could not be complete. */
  resume_incomplete: null
}

export type DurableKind = keyof Payloads

/** An event of the log: `id` is the resume cursor, `at` in milliseconds since the epoch. */
export type DurableEvent = { [K in DurableKind]: { id: number; at: number; kind: K; payload: Payloads[K] } }[DurableKind]

/** An event that is not kept. */
export type EphemeralEvent = {
  [K in keyof EphemeralPayloads]: { id: null; at: number; kind: K; payload: EphemeralPayloads[K] }
}[keyof EphemeralPayloads]

export type ChatEvent = DurableEvent | EphemeralEvent

/** Gives a logged event its type: the log holds nothing but what this module's writers appended. */
export const asChatEvent = (event: StoredEvent): DurableEvent => event as DurableEvent

/** The conversation that an event belongs to; null for one that belongs to none. */
export function conversationOf(event: ChatEvent): string | null {
  switch (event.kind) {
    case 'group_updated':
      return event.payload.group.conversationId
    case 'message_sent':
    case 'message_read':
    case 'reaction_added':
    case 'reaction_removed':
    case 'member_joined':
    case 'member_left':
    case 'typing':
      return event.payload.conversationId
    default:
      return null
  }
}

/** Where a membership starts with this event, for whoever receives it in their own topic. */
export function openingOf(event: DurableEvent): Opening | undefined {
  return event.kind === 'member_joined' || event.kind === 'group_updated' ? event.payload.opens : undefined
}

/** Whose membership ends with this event. */
export function closingOf(event: DurableEvent): number | undefined {
  return event.kind === 'member_left' ? event.payload.closes : undefined
}
