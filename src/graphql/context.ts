import type { Viewer } from '../chat/auth.ts'
import type { Chat } from '../chat/chat.ts'
import type { Feeds } from '../live/feed.ts'
import { createLoaders, createViewerLoaders, type Loaders, type ViewerLoaders } from './loaders.ts'

/** What resolvers get. In a shared execution there is no viewer: whatever asks for one fails there. */
export interface OperationContext {
  readonly chat: Chat
  readonly feeds: Feeds
  readonly admin: Admin
  readonly load: Loaders
  readonly viewer: Viewer
  readonly viewerLoad: ViewerLoaders
  /** The connection that the operation came over; null for a single HTTP request. */
  readonly connectionId: string | null
}

/** What admins do beyond the chat. */
export interface Admin {
  /** Closes the user's connections on every node; resolves with how many. */
  disconnectUser(userId: number, reason: string | undefined): Promise<number>
}

export interface Services {
  chat: Chat
  feeds: Feeds
  admin: Admin
}

/** The context of one operation of a viewer. Loaders are made when a resolver first wants them. */
export function createContext(services: Services, viewer: Viewer, connectionId: string | null): OperationContext {
  let load: Loaders | undefined
  let viewerLoad: ViewerLoaders | undefined
  return {
    ...services,
    viewer,
    connectionId,
    get load() {
      return (load ??= createLoaders(services.chat))
    },
    get viewerLoad() {
      return (viewerLoad ??= createViewerLoaders(services.chat.reads, viewer.userId))
    },
  }
}

/** The context of an execution whose result goes to several viewers. */
export function createSharedContext(services: Services): OperationContext {
  const refuse = (): never => {
    throw new Error('a shared execution has no viewer: the field that asks for one must carry @viewerDependent')
  }
  let load: Loaders | undefined
  return {
    chat: services.chat,
    get load() {
      return (load ??= createLoaders(services.chat))
    },
    get feeds() {
      return refuse()
    },
    get admin() {
      return refuse()
    },
    get viewer() {
      return refuse()
    },
    get viewerLoad() {
      return refuse()
    },
    get connectionId() {
      return refuse()
    },
  }
}
