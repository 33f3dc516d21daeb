import { createReadAccess, type AdminLookups, type ReadAccess } from '../chat/access.ts'
import type { Viewer } from '../auth/verify.ts'
import type { Chat } from '../chat/chat.ts'
import type { SnapshotReads } from '../chat/snapshots.ts'
import { fairTurns } from '../lib/fair-turns.ts'
import type { Admin } from '../admin/admin.ts'
import type { Readings } from '../admin/readings.ts'
import type { Feeds } from '../live/feed.ts'
import { Answer, MAX_RESPONSE_BYTES } from './answer.ts'
import { createLoaders, createViewerLoaders, type Loaders, type ViewerLoaders } from './loaders.ts'
import type { MessageModel } from './models.ts'

/** The resolvers' context. In a shared execution there is no viewer: a resolver that asks for one fails. */
export interface OperationContext {
  readonly chat: Chat
  readonly feeds: Feeds
  readonly admin: Admin
  readonly tokens: Tokens
  readonly load: Loaders
  /** The answer being built. */
  readonly answer: Answer
  readonly viewer: Viewer
  readonly viewerLoad: ViewerLoaders
  /** What the viewer may read. */
  readonly read: ReadAccess
  /** Set for an admin's query, which may read what is not theirs: where that is recorded. */
  readonly readings: Readings | undefined
  /** Whether the result belongs to a subscription: an error would take the event with it. */
  readonly isEvent: boolean
  /**
   * Whether what belongs to a message may be shown. True in a shared execution: its event goes to members only, and replayed
   * events of an earlier membership are executed for that subscriber alone.
   */
  showsContents(message: Pick<MessageModel, 'id' | 'conversationId'>): boolean | Promise<boolean>
  /** The state that the operation reads, if it selects `cursor`: all its reads of the database go there. */
  readonly snapshot: SnapshotReads | undefined
  /** What the client of a subscription received last; takes precedence over the argument `after`. */
  readonly lastEventId: string | undefined
  /** The connection of the operation; null for a single HTTP request. */
  readonly connectionId: string | null
  /**
   * Await it before resolving this many items: undefined, or a promise if the viewer's operations, or this shared execution, have used up
   * their share of this turn of the event loop.
   */
  turn(items: number): Promise<void> | undefined
}

/** Tokens of open connections. */
export interface Tokens {
  /**
   * Continues a connection with another token of the same user; resolves with its expiry, in milliseconds since the epoch.
   * Rejects with UNAUTHENTICATED for an invalid token, FORBIDDEN for another user's, NOT_FOUND if the connection has ended.
   */
  refresh(connectionId: string, token: string): Promise<number>
}

export interface Services {
  chat: Chat
  feeds: Feeds
  admin: Admin
  tokens: Tokens
  /** Maximum size of an answer; 4 MiB unless set. */
  maxResponseBytes?: number
}

const answerOf = ({ maxResponseBytes = MAX_RESPONSE_BYTES }: Services): Answer => new Answer(maxResponseBytes)

/** The context of one operation of a viewer. Loaders are created on first use. */
export function createContext(
  services: Services,
  viewer: Viewer,
  connectionId: string | null,
  about: Partial<Pick<OperationContext, 'isEvent' | 'snapshot' | 'lastEventId' | 'readings'>> = {},
): OperationContext {
  return new ViewerContext(services, viewer, connectionId, about)
}

class ViewerContext implements OperationContext {
  readonly #services: Services
  readonly viewer: Viewer
  readonly connectionId: string | null
  readonly isEvent: boolean
  readonly chat: Chat
  readonly snapshot: SnapshotReads | undefined
  readonly lastEventId: string | undefined
  readonly readings: Readings | undefined
  #answer: Answer | undefined
  #load: Loaders | undefined
  #viewerLoad: ViewerLoaders | undefined
  #read: ReadAccess | undefined

  constructor(
    services: Services,
    viewer: Viewer,
    connectionId: string | null,
    { isEvent = false, snapshot, lastEventId, readings }: Parameters<typeof createContext>[3] & object,
  ) {
    this.#services = services
    this.snapshot = snapshot
    this.lastEventId = lastEventId
    this.readings = readings
    this.chat = snapshot ? { ...services.chat, access: snapshot.access, reads: snapshot.reads } : services.chat
    this.isEvent = isEvent
    this.viewer = viewer
    this.connectionId = connectionId
  }
  get feeds(): Feeds {
    return this.#services.feeds
  }
  get admin(): Admin {
    return this.#services.admin
  }
  get tokens(): Tokens {
    return this.#services.tokens
  }
  get answer(): Answer {
    return (this.#answer ??= answerOf(this.#services))
  }
  get load(): Loaders {
    return (this.#load ??= createLoaders({ reads: this.chat.reads, presence: this.chat.presence, answer: this.answer }))
  }
  get viewerLoad(): ViewerLoaders {
    return (this.#viewerLoad ??= createViewerLoaders({ reads: this.chat.reads, userId: this.viewer.userId }))
  }
  get read(): ReadAccess {
    return (this.#read ??= createReadAccess({
      conversation: (id) => this.load.conversation.load(id),
      message: (id) => this.load.message.load(id),
      horizon: (conversationId) => this.viewerLoad.horizon.load(conversationId),
      role: (groupId) => this.viewerLoad.role.load(groupId),
      ...(this.readings ? { admin: this.#asAdmin(this.readings) } : {}),
    }))
  }
  #asAdmin(readings: Readings): AdminLookups {
    return {
      note: (conversationId, field = 'conversation') => readings.add(field, 'Conversation', conversationId),
      conversationOf: async (groupId) => (await this.load.group.load(groupId))?.conversationId,
    }
  }
  showsContents(message: Pick<MessageModel, 'id' | 'conversationId'>): Promise<boolean> {
    return this.read.messageContents(message)
  }
  turn(items: number): Promise<void> | undefined {
    return fairTurns.next(this.viewer.userId, items)
  }
}

const refuse = (): never => {
  throw new Error('a shared execution has no viewer: the field that asks for one must carry @viewerDependent')
}

/** The context of an execution whose result goes to several viewers. */
export function createSharedContext(services: Services): OperationContext {
  return new SharedContext(services)
}

class SharedContext implements OperationContext {
  readonly #services: Services
  readonly isEvent = true
  #answer: Answer | undefined
  #load: Loaders | undefined

  constructor(services: Services) {
    this.#services = services
  }
  get chat(): Chat {
    return this.#services.chat
  }
  get answer(): Answer {
    return (this.#answer ??= answerOf(this.#services))
  }
  get load(): Loaders {
    return (this.#load ??= createLoaders({ reads: this.chat.reads, presence: this.chat.presence, answer: this.answer }))
  }
  get feeds(): never {
    return refuse()
  }
  get admin(): never {
    return refuse()
  }
  get tokens(): never {
    return refuse()
  }
  get viewer(): never {
    return refuse()
  }
  get viewerLoad(): never {
    return refuse()
  }
  get read(): never {
    return refuse()
  }
  showsContents(): boolean {
    return true
  }
  /** It is nobody's alone. */
  turn(items: number): Promise<void> | undefined {
    return fairTurns.next(this, items)
  }
  get snapshot(): never {
    return refuse()
  }
  get lastEventId(): never {
    return refuse()
  }
  get readings(): never {
    return refuse()
  }
  get connectionId(): never {
    return refuse()
  }
}
