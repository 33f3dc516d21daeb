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
  return new ViewerContext(services, viewer, connectionId)
}

class ViewerContext implements OperationContext {
  readonly #services: Services
  readonly viewer: Viewer
  readonly connectionId: string | null
  #load: Loaders | undefined
  #viewerLoad: ViewerLoaders | undefined

  constructor(services: Services, viewer: Viewer, connectionId: string | null) {
    this.#services = services
    this.viewer = viewer
    this.connectionId = connectionId
  }
  get chat(): Chat {
    return this.#services.chat
  }
  get feeds(): Feeds {
    return this.#services.feeds
  }
  get admin(): Admin {
    return this.#services.admin
  }
  get load(): Loaders {
    return (this.#load ??= createLoaders(this.#services.chat))
  }
  get viewerLoad(): ViewerLoaders {
    return (this.#viewerLoad ??= createViewerLoaders(this.#services.chat.reads, this.viewer.userId))
  }
}

const refuse = (): never => {
  throw new Error('a shared execution has no viewer: the field that asks for one must carry @viewerDependent')
}

/** The context of an execution whose result goes to several viewers. */
export function createSharedContext({ chat }: Services): OperationContext {
  return new SharedContext(chat)
}

class SharedContext implements OperationContext {
  readonly chat: Chat
  #load: Loaders | undefined

  constructor(chat: Chat) {
    this.chat = chat
  }
  get load(): Loaders {
    return (this.#load ??= createLoaders(this.chat))
  }
  get feeds(): never {
    return refuse()
  }
  get admin(): never {
    return refuse()
  }
  get viewer(): never {
    return refuse()
  }
  get viewerLoad(): never {
    return refuse()
  }
  get connectionId(): never {
    return refuse()
  }
}
