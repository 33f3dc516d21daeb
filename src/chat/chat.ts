import type { Counts } from '../telemetry/counters.ts'
import type { Publisher } from '../pubsub/publisher.ts'
import type { PresenceRegistry } from '../cluster/presence-registry.ts'
import type { Memberships } from '../store/conversations.ts'
import type { Store } from '../store/store.ts'
import type { TimerWheel } from '../lib/timer-wheel.ts'
import { createAccess, type Access } from './access.ts'
import { createBlocks, type Blocks } from './blocks.ts'
import type { Commits } from './commit.ts'
import { createContactsLoader } from './contacts.ts'
import { createConversationSettings, type ConversationSettingsRules } from './conversation-settings.ts'
import { createCursors, type Cursors } from './cursor.ts'
import { createDeletions, type Deletions } from './deletions.ts'
import { createEdits, type Edits } from './edits.ts'
import type { EphemeralEvent } from './events.ts'
import { createErasure, type Erasure } from './erasure.ts'
import { Groups } from './groups.ts'
import { createMessages, type Messages } from './messages.ts'
import { createModeration, type Moderation } from './moderation.ts'
import { createNotifications, type Notifications } from './notifications.ts'
import { Presence } from './presence.ts'
import { createProfileUpdates, type ProfileUpdates } from './profile-updates.ts'
import { createRepublish, type Republish } from './republish.ts'
import { createReactions, type Reactions } from './reactions.ts'
import { createReads, type Reads } from './reads.ts'
import { Receipts } from './receipts.ts'
import { createRetention, type Retention } from './retention.ts'
import { createScan, type Scan } from './scans.ts'
import { createSnapshots, type Snapshots } from './snapshots.ts'
import { Typing, type TypingChange } from './typing.ts'
import { createUsers, type Users } from './users.ts'

/** The chat's public interface. */
export interface Chat {
  access: Access
  blocks: Blocks
  conversationSettings: ConversationSettingsRules
  cursors: Cursors
  deletions: Deletions
  edits: Edits
  erasure: Erasure
  groups: Groups
  messages: Messages
  moderation: Moderation
  notifications: Notifications
  presence: Presence
  profileUpdates: ProfileUpdates
  republish: Republish
  reactions: Reactions
  reads: Reads
  receipts: Receipts
  retention: Retention
  scan: Scan
  snapshots: Snapshots
  typing: Typing
  users: Users
}

/** What an operator can set of the rules. */
export interface ChatSettings {
  /** How many queries with a cursor may read at the same time, each on its own connection; 1 if absent. */
  snapshotLimit?: number
  /** How long after sending a message may be edited, in hours; 0: no limit. */
  messageEditHours: number
  /** How long a user stays online after the last connection closed, in milliseconds. */
  presenceGraceMs: number
  /** Members of larger groups get no presence events. */
  presenceGroupLimit: number
  /** How often a day others may add a user to a group; 0: no limit. */
  groupAdditionsPerDay: number
  /** How many groups a user may create a day; 0: no limit. */
  groupsCreatedPerDay: number
  /** How long events, and memberships that ended, are kept. */
  eventRetentionHours: number
}

export interface ChatOptions extends ChatSettings {
  store: Store
  commits: Commits
  publisher: Publisher
  wheel: TimerWheel
  /** Calls of one turn are batched. */
  loadMemberships: (userId: number) => Promise<Memberships>
  counts: Counts
  /** Which users are on which nodes. */
  registry: PresenceRegistry
  /** Relays typing state to the other nodes, if there are any. */
  relayTyping: (change: TypingChange) => void
  /** Delivers an ephemeral event to this node's own clients. */
  deliverLocally: (topic: string, event: EphemeralEvent) => void
  /** Called for failures in the background. */
  onError: (stage: string, error: unknown) => void
}

/** The rules of the chat. */
export function createChat(options: ChatOptions): Chat {
  const { store, commits, publisher, wheel, counts, loadMemberships, registry, onError } = options
  const access = createAccess(store)
  const loadContacts = createContactsLoader(store)
  const typing = new Typing({
    store,
    access,
    publisher,
    wheel,
    relay: options.relayTyping,
    deliverLocally: options.deliverLocally,
  })
  const profileUpdates = createProfileUpdates({ store, commits, wheel, onError: (error) => onError('profile update', error) })
  const notifications = createNotifications({ store, commits })
  const groups = new Groups({
    store,
    commits,
    additionsPerDay: options.groupAdditionsPerDay,
    createdPerDay: options.groupsCreatedPerDay,
    eventRetentionHours: options.eventRetentionHours,
    stopTyping: (userId, conversationId) => typing.stop(userId, conversationId),
  })
  return {
    access,
    blocks: createBlocks({ store, commits, typing, presenceGroupLimit: options.presenceGroupLimit }),
    conversationSettings: createConversationSettings({ access, commits }),
    cursors: createCursors(store),
    deletions: createDeletions({ store, access, commits }),
    edits: createEdits({ access, commits, editHours: options.messageEditHours }),
    erasure: createErasure({ store, commits, groups }),
    groups,
    messages: createMessages({ store, commits, access, typing, counts }),
    moderation: createModeration({ store, commits, access }),
    notifications,
    presence: new Presence({
      store,
      publisher,
      registry,
      wheel,
      loadMemberships,
      loadContacts,
      graceMs: options.presenceGraceMs,
      groupLimit: options.presenceGroupLimit,
      onError: (error) => onError('presence', error),
    }),
    republish: createRepublish({ commits, notifications }),
    reactions: createReactions({ access, commits }),
    reads: createReads(store),
    receipts: new Receipts({ store, access, commits }),
    retention: createRetention({ store, commits }),
    scan: createScan(),
    snapshots: createSnapshots({ store, limit: options.snapshotLimit ?? 1 }),
    typing,
    profileUpdates,
    users: createUsers({ store, commits, onChanged: (due) => profileUpdates.schedule(due) }),
  }
}
