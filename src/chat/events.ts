import type { ConversationSettings } from '../store/conversation-settings.ts'
import type { StoredEvent } from '../store/event-log.ts'
import type { GroupRecord } from '../store/groups.ts'
import type { MessageRecord } from '../store/messages.ts'
import type { NotificationRecord } from '../store/notifications.ts'

/** The topic for events of one user: direct messages, receipts of their messages, notifications, new memberships. */
export const userTopic = (userId: number): string => `user:${userId}`
/** The topic for events of a group. */
export const groupTopic = (groupId: number): string => `group:${groupId}`

export interface UserSnapshot {
  id: number
  name: string
  avatar: string | null
}

export interface DeletionPayload {
  messageId: number
  conversationId: string
  isGroup: boolean
  deletedById: number
}

export interface ReadPayload {
  messageId: number
  conversationId: string
  isGroup: boolean
  readerId: number
}

/** A reader's own state of a conversation after they marked something read or unread. */
export interface ConversationReadPayload {
  conversationId: string
  readUpTo: number | null
  unreadCount: number
  unreadMentionCount: number
}

export interface ConversationSettingsPayload {
  conversationId: string
  settings: ConversationSettings
}

export interface ReactionPayload {
  messageId: number
  conversationId: string
  isGroup: boolean
  userId: number
  reaction: string
  /** Users with this reaction after the change, ids ascending. */
  userIds: number[]
  /** Set if the event is read from the log and the message has been deleted since. */
  messageDeleted?: true
}

/** The start of a membership: in the member's own topic it carries the `seq` after which the group's events are theirs. */
export interface Opening {
  topic: string
  sinceSeq: number
  /** The horizon: events about messages with ids up to it are hidden from the member. Absent: nothing is hidden. */
  historyAfter?: number
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
  /** Set when the membership starts; absent in an event that is republished. */
  opens?: Opening
  /** Set when the membership ends: the member's feeds of the group's topic end with this event. */
  closes?: number
}

export interface ProfilePayload {
  user: UserSnapshot
}

export interface ErasurePayload {
  userId: number
}

export interface BlockPayload {
  blockerId: number
  /** The user who was blocked or unblocked. */
  user: UserSnapshot
  blocked: boolean
  /** Whether either of the two has blocked the other after the change. */
  isPairBlocked: boolean
  /** Whether the two receive each other's presence while there is no block. */
  sharePresence: boolean
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

export interface ResumeIncompletePayload {
  /** The cursor after which the stream continues. */
  position: string
}

/**
 * Who receives a durable event. `members`: all members of its conversation and nobody else, so that sockets may compress it with that
 * conversation's earlier events. `contacts`: a user and all contacts, each of them once. `some`: subscribers of the topics that it is
 * appended to, for whom `isFor` is true.
 */
type Recipients = 'members' | 'contacts' | 'some'

interface EventRow<Type extends string, Delivery extends 'durable' | 'ephemeral', Payload> {
  /** The type in schema.graphql. */
  type: Type
  /** A durable event is never lost between the log and a client; of an ephemeral one a slow client gets only the latest. */
  delivery: Delivery
  /** Undefined for an ephemeral event. */
  recipients: Recipients | undefined
  /** The conversation it belongs to; null if none. */
  conversation: (payload: Payload) => string | null
  /** The coalescing key of an ephemeral event: an event replaces a queued one with the same key. */
  coalescingKey: (payload: Payload) => string
}

const durable = <const Type extends string, Payload>(
  type: Type,
  recipients: Recipients,
  conversation: (payload: Payload) => string | null,
): EventRow<Type, 'durable', Payload> => ({ type, delivery: 'durable', recipients, conversation, coalescingKey: () => '' })

const ephemeral = <const Type extends string, Payload>(
  type: Type,
  conversation: (payload: Payload) => string | null,
  coalescingKey: (payload: Payload) => string,
): EventRow<Type, 'ephemeral', Payload> => ({ type, delivery: 'ephemeral', recipients: undefined, conversation, coalescingKey })

const nowhere = (): null => null
const inConversation = ({ conversationId }: { conversationId: string }): string => conversationId

/**
 * Every kind of event. Everything that depends on the kind is derived from this table: the types of the schema, the models of
 * its resolvers, the delivery. "A kind of event" in docs/architecture.md lists what else a new row needs.
 */
export const EVENTS = {
  message_sent: durable('MessageSent', 'members', inConversation as (message: MessageRecord) => string),
  // With the message's state when the event is read: its content may have been deleted since.
  message_edited: durable('MessageEdited', 'members', inConversation as (message: MessageRecord) => string),
  message_deleted: durable('MessageDeleted', 'members', inConversation as (payload: DeletionPayload) => string),
  message_read: durable('MessageRead', 'some', inConversation as (payload: ReadPayload) => string),
  conversation_read: durable('ConversationRead', 'some', inConversation as (payload: ConversationReadPayload) => string),
  conversation_settings_changed: durable(
    'ConversationSettingsChanged',
    'some',
    inConversation as (payload: ConversationSettingsPayload) => string,
  ),
  reaction_added: durable('ReactionAdded', 'members', inConversation as (payload: ReactionPayload) => string),
  reaction_removed: durable('ReactionRemoved', 'members', inConversation as (payload: ReactionPayload) => string),
  group_updated: durable('GroupUpdated', 'members', ({ group }: GroupPayload) => group.conversationId),
  member_joined: durable('MemberJoined', 'members', inConversation as (payload: MembershipPayload) => string),
  member_left: durable('MemberLeft', 'members', inConversation as (payload: MembershipPayload) => string),
  notification: durable('NotificationReceived', 'some', nowhere as (notification: NotificationRecord) => null),
  user_updated: durable('UserUpdated', 'contacts', nowhere as (payload: ProfilePayload) => null),
  notification_read: durable('NotificationRead', 'some', nowhere as (notification: NotificationRecord) => null),
  user_erased: durable('UserErased', 'contacts', nowhere as (payload: ErasurePayload) => null),
  // In the topics of both users, whose feeds then hide each other's presence; only the user who blocks receives it.
  block_changed: durable('BlockChanged', 'some', nowhere as (payload: BlockPayload) => null),
  typing: ephemeral(
    'TypingChanged',
    inConversation as (payload: TypingPayload) => string,
    ({ conversationId, user }) => `typing ${conversationId} ${user.id}`,
  ),
  presence: ephemeral('OnlineStatusChanged', nowhere as (payload: PresencePayload) => null, ({ userId }) => `presence ${userId}`),
  // Created by a feed whose resume was incomplete; not in the log.
  resume_incomplete: durable('ResumeIncomplete', 'some', nowhere as (payload: ResumeIncompletePayload) => null),
}

export type EventKind = keyof typeof EVENTS
type PayloadOf<K extends EventKind> = Parameters<(typeof EVENTS)[K]['conversation']>[0]
type KindsBy<Delivery> = { [K in EventKind]: (typeof EVENTS)[K]['delivery'] extends Delivery ? K : never }[EventKind]

/** Kinds stored in the log. */
export type DurableKind = Exclude<KindsBy<'durable'>, 'resume_incomplete'>
type EphemeralKind = KindsBy<'ephemeral'> | 'resume_incomplete'

/** An event from the log: `id` is the resume cursor, `at` is in milliseconds since the epoch. */
export type DurableEvent = { [K in DurableKind]: { id: number; at: number; kind: K; payload: PayloadOf<K> } }[DurableKind]

/** An event that is not in the log. */
export type EphemeralEvent = { [K in EphemeralKind]: { id: null; at: number; kind: K; payload: PayloadOf<K> } }[EphemeralKind]

export type ChatEvent = DurableEvent | EphemeralEvent

/** The type in schema.graphql for each kind, and the reverse. */
export type EventType = (typeof EVENTS)[EventKind]['type']
export type KindOf<Type extends EventType> = { [K in EventKind]: (typeof EVENTS)[K]['type'] extends Type ? K : never }[EventKind]
/** The event for a type of the schema. */
export type EventOf<Type extends EventType> = Extract<ChatEvent, { kind: KindOf<Type> }>

interface AnyRow {
  delivery: 'durable' | 'ephemeral'
  recipients: Recipients | undefined
  conversation: (payload: unknown) => string | null
  coalescingKey: (payload: unknown) => string
}
const rowOf = (kind: EventKind): AnyRow => EVENTS[kind] as unknown as AnyRow

/** Types a logged event: the log holds only what this module's writers appended. */
export const asChatEvent = (event: StoredEvent): DurableEvent => event as DurableEvent

/** The conversation that an event belongs to; null for one that belongs to none. */
export const conversationOf = ({ kind, payload }: ChatEvent): string | null => rowOf(kind).conversation(payload)

/** The conversation all of whose members receive an event, and nobody else; undefined where it is for others. */
export const commonConversationOf = (event: ChatEvent): string | undefined =>
  rowOf(event.kind).recipients === 'members' ? (conversationOf(event) ?? undefined) : undefined

/** The message that an event refers to; undefined if none. */
export function messageIdOf({ kind, payload }: ChatEvent): number | undefined {
  if (kind === 'message_sent' || kind === 'message_edited') return payload.id
  return 'messageId' in payload ? payload.messageId : undefined
}

/** Whether an event is durable. */
export const isDurable = ({ kind }: { kind: EventKind }): boolean => EVENTS[kind].delivery === 'durable'

/** The coalescing key of an ephemeral event. */
export const coalescingKeyOf = ({ kind, payload }: ChatEvent): string => rowOf(kind).coalescingKey(payload)

/** Whether this version knows what it tells of. A later version, whose nodes run beside this one during an upgrade, may log and publish others. */
export const isKnown = ({ kind }: { kind: string }): boolean => Object.hasOwn(EVENTS, kind)

/** Whether it is delivered to a subscriber of its topic. */
export const isFor = (event: ChatEvent, userId: number): boolean =>
  event.kind !== 'block_changed' || event.payload.blockerId === userId

/** Whether it is logged in the topics of all contacts of a user; a subscriber to several of them must get it once. */
export const goesToContacts = ({ kind }: ChatEvent): boolean => rowOf(kind).recipients === 'contacts'

/** The start of a membership, for those who receive it in their own topic. */
export function openingOf(event: DurableEvent): Opening | undefined {
  return event.kind === 'member_joined' || event.kind === 'group_updated' ? event.payload.opens : undefined
}

/** The member whose membership ends with this event. */
export function closingOf(event: DurableEvent): number | undefined {
  return event.kind === 'member_left' ? event.payload.closes : undefined
}
