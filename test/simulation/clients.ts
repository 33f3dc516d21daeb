/** The clients of a run: programs that use the package's two clients as their documentation says, and record what they see. */
import { createClient, type Client as GraphqlWsClient } from 'graphql-ws'
import { createLegacyClient, type LegacyClient, type WebSocketConstructor } from '../../src/clients/legacy/client.ts'
import { RequestRefusedError } from '../../src/clients/legacy/errors.ts'
import { outbox, OutboxError, resumable, type Outbox } from '../../src/clients/resume/resume.ts'
import type { Entry, Protocol, Request } from './history.ts'
import { tokenOf } from './node.ts'
import type { Listener } from './sockets.ts'
import { SimSocket, type Network } from './web-socket.ts'
import { streamOfFrame } from './frames.ts'
import { currentWorld, owner, type Owner } from './world.ts'

export interface ClientParts {
  record: (entry: Entry) => void
  /** The node that a new connection goes to. */
  target: () => Listener | undefined
  nextRequest: () => number
  /** How long its tokens are good, in milliseconds; undefined: for ever. */
  tokenMs: number | undefined
  asksMore: boolean
}

/** How long a program waits before it repeats what was answered with 503, or not at all. */
const REPEAT_MS = 400

export abstract class SimClient implements Network {
  readonly owner: Owner
  readonly userId: number
  readonly name: string
  readonly sockets = new Set<SimSocket>()
  readonly parts: ClientParts
  readonly streams = new Map<string, string>()
  abstract readonly protocol: Protocol
  isStopped = false
  /** Its program does not run. */
  isAway = false
  /** The requests that its program still waits for. */
  readonly waiting = new Set<number>()
  #count = 0

  constructor(name: string, userId: number, parts: ClientParts) {
    this.owner = owner(name)
    this.name = name
    this.userId = userId
    this.parts = parts
  }

  target(): Listener | undefined {
    return this.parts.target()
  }

  connecting(socket: SimSocket): void {
    this.sockets.add(socket)
  }

  /** Names a stream: the connection, or one of its subscriptions. */
  openStream(socket: SimSocket, id: string, after: string | null): void {
    const stream = `${this.name}/${++this.#count}`
    this.streams.set(`${socket.serial} ${id}`, stream)
    const about = { client: this.name, userId: this.userId, node: socket.node, protocol: this.protocol, after }
    this.parts.record({ kind: 'opened', stream, ...about })
  }

  received(socket: SimSocket, text: string): void {
    // A legacy connection begins for its client with the server's first frame.
    if (this.protocol === 'legacy' && !this.streams.has(`${socket.serial} `)) this.openStream(socket, '', null)
    const found = streamOfFrame(text, this.protocol)
    if (!found) return this.protocol === 'graphql' ? this.closeStream(socket, text) : undefined
    const stream = this.streams.get(`${socket.serial} ${found.subscription}`)
    if (stream !== undefined) this.parts.record({ ...found.entry, stream } as Entry)
  }

  /** A subscription may end before its connection does. */
  protected closeStream(socket: SimSocket, text: string): void {
    const { type, id } = JSON.parse(text) as { type: string; id?: string }
    const key = `${socket.serial} ${id}`
    const stream = this.streams.get(key)
    if (stream === undefined || (type !== 'complete' && type !== 'error')) return
    this.streams.delete(key)
    this.parts.record({ kind: 'closed', stream, code: 1000 })
  }

  closed(socket: SimSocket, code: number): void {
    this.sockets.delete(socket)
    for (const [key, stream] of this.streams) {
      if (!key.startsWith(`${socket.serial} `)) continue
      this.streams.delete(key)
      this.parts.record({ kind: 'closed', stream, code })
    }
  }

  /** The library's WebSocket, bound to this client's network. */
  socketClass(): typeof SimSocket {
    const network = this as Network
    return class extends SimSocket {
      constructor(url: string, protocols: string | readonly string[]) {
        super(network, url, protocols)
      }
    } as unknown as typeof SimSocket
  }

  token(): string {
    const { tokenMs } = this.parts
    return tokenMs === undefined ? tokenOf(this.userId) : tokenOf(this.userId, Date.now() + tokenMs)
  }

  asked(about: Omit<Request, 'userId'>): number {
    const request = this.parts.nextRequest()
    this.waiting.add(request)
    this.parts.record({ kind: 'asked', request, about: { ...about, userId: this.userId } })
    return request
  }

  answered(request: number, code: string, messageId?: number): void {
    this.waiting.delete(request)
    this.parts.record({ kind: 'answered', request, code, ...(messageId === undefined ? {} : { messageId }) })
  }

  /** The program ends, and begins again after `ms` with what it has kept, unless it forgets that. */
  restart({ ms, forgets }: { ms: number; forgets: boolean }): void {
    if (this.isAway || this.isStopped) return
    this.isAway = true
    this.waiting.clear()
    currentWorld().as(this.owner, () => this.end())
    currentWorld().after(ms, undefined, () => {
      if (this.isStopped) return
      this.isAway = false
      if (forgets) this.forget()
      // Without an event there is no place to go on from: what was missed is to be loaded.
      if (!this.hasPlace) this.parts.record({ kind: 'told incomplete', client: this.name })
      this.start()
    })
  }

  /** The program ends for good. */
  quit(): void {
    if (this.isAway || this.isStopped) return
    this.parts.record({ kind: 'client left', client: this.name })
    this.stop()
  }

  perform(action: Action): void {
    if (!this.isStopped && !this.isAway) this.performNow(action)
  }

  stop(): void {
    this.isStopped = true
    this.waiting.clear()
    currentWorld().as(this.owner, () => this.end())
  }

  /** Whether it knows where its stream goes on. */
  abstract readonly hasPlace: boolean
  abstract start(): void
  protected abstract end(): void
  protected abstract forget(): void
  protected abstract performNow(action: Action): void
}

/** What a program does; what it is about is found when it is done. */
export type Action =
  | { op: 'send'; receiverId: number | null; groupId: number | null; content: string; key: string }
  | { op: 'read' | 'delete'; messageId: number; isGroup: boolean }
  | { op: 'edit'; messageId: number; isGroup: boolean; content: string }
  | { op: 'read all' | 'unread'; messageId: number; conversationId: string }
  | { op: 'react' | 'unreact'; messageId: number; isGroup: boolean; reaction: string }
  | { op: 'typing'; conversationId: string; typing: boolean }
  | { op: 'invite' | 'remove'; groupId: number; memberId: number }
  | { op: 'join' | 'leave'; groupId: number }
  | { op: 'block' | 'unblock'; memberId: number }

const CAPABILITIES = ['edits', 'replies', 'reads', 'profiles'] as const
/** What the legacy protocol has a request for. */
const LEGACY_OPS: ReadonlySet<string> = new Set(['send', 'read', 'read all', 'edit', 'delete', 'react', 'unreact', 'typing'])
const TIMING = { connect: 3000, request: 4000, heartbeat: 4000, silence: 2000, minBackoff: 200, maxBackoff: 1500 }

/** What an action is recorded as. */
const aboutOf = (action: Action): Omit<Request, 'userId'> => {
  const { op } = action
  return {
    op,
    ...('key' in action ? { key: action.key } : {}),
    ...('content' in action ? { content: action.content } : {}),
    ...('messageId' in action ? { messageId: action.messageId } : {}),
    ...('reaction' in action ? { reaction: action.reaction } : {}),
    ...('memberId' in action ? { memberId: action.memberId } : {}),
    ...('conversationId' in action ? { conversationId: action.conversationId } : {}),
  }
}

export class LegacySimClient extends SimClient {
  readonly protocol = 'legacy'
  #client: LegacyClient | undefined
  /** Programs are closed one after the other, each with its place in the stream. */
  #lastMessageId: string | undefined

  start(): void {
    this.parts.record({ kind: 'client', client: this.name, userId: this.userId, protocol: this.protocol })
    currentWorld().as(this.owner, () => {
      this.#client = createLegacyClient({
        url: 'ws://parley/ws/connect',
        token: () => this.token(),
        webSocket: this.socketClass() as unknown as WebSocketConstructor,
        capabilities: CAPABILITIES,
        timing: TIMING,
        ...(this.#lastMessageId === undefined ? {} : { lastMessageId: this.#lastMessageId }),
      })
      void this.#read(this.#client)
    })
  }

  async #read(client: LegacyClient): Promise<void> {
    try {
      for await (const push of client) {
        if (client !== this.#client) return
        if (push.type === 'resume') this.parts.record({ kind: 'told incomplete', client: this.name })
        else if (push.message_id !== undefined) {
          this.#lastMessageId = client.lastMessageId
          this.parts.record({ kind: 'given', client: this.name, id: Number(push.message_id), type: push.type })
        }
      }
    } catch (error) {
      this.parts.record({ kind: 'fault', what: `client ${this.name} ended: ${String(error)}` })
    }
  }

  get hasPlace(): boolean {
    return this.#lastMessageId !== undefined
  }

  protected end(): void {
    const before = this.#client
    this.#client = undefined
    void before?.close()
  }

  protected forget(): void {
    this.#lastMessageId = undefined
  }

  /** What the last connection resumed after. */
  #resume: { socket: SimSocket; text: string } | undefined

  sent(socket: SimSocket, text: string): void {
    const { type } = JSON.parse(text) as { type: string }
    if (type !== 'resume') return
    this.#resume = { socket, text }
    const stream = this.streams.get(`${socket.serial} `)
    if (stream !== undefined) this.parts.record({ kind: 'resumes', stream })
  }

  /** As a program may that speaks the protocol itself: it asks for what it asked for before. */
  resumeAgain(): void {
    if (!this.#resume) return
    const { socket, text } = this.#resume
    const again = { ...(JSON.parse(text) as object), message_id: 'again' }
    currentWorld().as(this.owner, () => socket.send(JSON.stringify(again)))
  }

  protected performNow(action: Action): void {
    if (!LEGACY_OPS.has(action.op)) return
    const request = this.asked(aboutOf(action))
    currentWorld().as(this.owner, () => void this.#perform(action, request))
  }

  async #perform(action: Action, request: number): Promise<void> {
    while (!this.isStopped) {
      const client = this.#client
      if (!client) return this.answered(request, 'unknown')
      try {
        await this.#ask(client, action)
        return this.answered(request, 'ok')
      } catch (error) {
        const code = error instanceof RequestRefusedError ? error.code : 0
        if (code !== 0 && code !== 503 && code !== 429) return this.answered(request, String(code))
        if (action.op === 'typing') return this.answered(request, 'unknown')
        await currentWorld().sleep(REPEAT_MS, this.owner)
      }
    }
    this.answered(request, 'unknown')
  }

  async #ask(client: LegacyClient, action: Action): Promise<unknown> {
    switch (action.op) {
      case 'send': {
        const { receiverId, groupId, content, key } = action
        const body = { content, message_type: 'text' }
        const data =
          groupId === null
            ? { is_group: false as const, conversation_id: '', receiver_id: receiverId as number, ...body }
            : { is_group: true as const, conversation_id: `group_${groupId}`, ...body }
        return await client.request('message_sent', data as never, { messageId: key })
      }
      case 'read':
        return await client.request('message_read', { message_id: action.messageId, is_group: action.isGroup })
      case 'react':
      case 'unreact': {
        const { messageId, isGroup, reaction } = action
        const type = action.op === 'react' ? 'reaction_added' : 'reaction_removed'
        return await client.request(type, { message_id: messageId, is_group: isGroup, reaction })
      }
      case 'edit': {
        const { messageId, isGroup, content } = action
        return await client.request('message_edited', { message_id: messageId, is_group: isGroup, content })
      }
      case 'delete':
        return await client.request('message_deleted', { message_id: action.messageId, is_group: action.isGroup })
      case 'read all':
        return await client.request('conversation_read', {
          session_id: action.conversationId,
          message_id: action.messageId,
        })
      case 'typing':
        return await client.request('typing', { session_id: action.conversationId, typing: action.typing })
      default:
        return undefined
    }
  }
}

/** `more`: what the event does not hold. */
const eventsQuery = (more: string): string => `subscription ($after: ID) { events(after: $after) { __typename id
  ... on MessageSent { message { id content deletedAt sender { id } ${more} } }
  ... on MessageEdited { message { id content } }
  ... on ConversationRead { conversationId readUpTo }
  ... on TypingChanged { conversationId user { id } typing }
  ... on OnlineStatusChanged { userId online }
} }`

const EVENTS = eventsQuery('')
const MORE_EVENTS = eventsQuery('reactions { reaction }')

const STATE = `{ conversations(first: 20) { edges { node { id messages(first: 100) { edges { node { id } } } } } } cursor }`

interface StateData {
  conversations: { edges: { node: { messages: { edges: { node: { id: string } }[] } } }[] }
  cursor: string
}

const MUTATIONS: Record<Action['op'], string> = {
  send: 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }',
  read: 'mutation ($messageId: ID!) { markMessageRead(messageId: $messageId) { messageId } }',
  'read all': 'mutation ($c: ID!, $m: ID!) { markConversationRead(conversationId: $c, upToMessageId: $m) }',
  unread: 'mutation ($c: ID!, $m: ID!) { markConversationUnread(conversationId: $c, fromMessageId: $m) }',
  edit: 'mutation ($input: EditMessageInput!) { editMessage(input: $input) { id } }',
  delete: 'mutation ($messageId: ID!) { deleteMessage(messageId: $messageId) { id } }',
  react: 'mutation ($messageId: ID!, $reaction: String!) { addReaction(messageId: $messageId, reaction: $reaction) { count } }',
  unreact:
    'mutation ($messageId: ID!, $reaction: String!) { removeReaction(messageId: $messageId, reaction: $reaction) { count } }',
  typing: 'mutation ($c: ID!, $typing: Boolean!) { setTyping(conversationId: $c, typing: $typing) }',
  invite: 'mutation ($g: ID!, $u: [ID!]!) { inviteToGroup(groupId: $g, userIds: $u) { id } }',
  remove: 'mutation ($g: ID!, $u: ID!) { removeGroupMember(groupId: $g, userId: $u) { id } }',
  join: 'mutation ($g: ID!) { joinGroup(groupId: $g) }',
  leave: 'mutation ($g: ID!) { leaveGroup(groupId: $g) }',
  block: 'mutation ($u: ID!) { blockUser(userId: $u) { id } }',
  unblock: 'mutation ($u: ID!) { unblockUser(userId: $u) { id } }',
}

function variablesOf(action: Action): Record<string, unknown> {
  switch (action.op) {
    case 'send': {
      const { receiverId, groupId, content, key } = action
      const to = groupId === null ? { receiverId: String(receiverId) } : { conversationId: `group_${groupId}` }
      return { input: { ...to, content, clientMessageId: key } }
    }
    case 'edit':
      return { input: { messageId: String(action.messageId), content: action.content } }
    case 'read':
    case 'delete':
      return { messageId: String(action.messageId) }
    case 'react':
    case 'unreact':
      return { messageId: String(action.messageId), reaction: action.reaction }
    case 'read all':
    case 'unread':
      return { c: action.conversationId, m: String(action.messageId) }
    case 'typing':
      return { c: action.conversationId, typing: action.typing }
    case 'invite':
      return { g: String(action.groupId), u: [String(action.memberId)] }
    case 'remove':
      return { g: String(action.groupId), u: String(action.memberId) }
    case 'join':
    case 'leave':
      return { g: String(action.groupId) }
    case 'block':
    case 'unblock':
      return { u: String(action.memberId) }
  }
}

export class GraphqlSimClient extends SimClient {
  readonly protocol = 'graphql'
  #plain: GraphqlWsClient | undefined
  #outbox: Outbox | undefined
  #cursor: string | undefined
  #unsubscribe: (() => void) | undefined
  /** Tells a program from the one before. */
  #program = 0
  #ids = 0

  get #events(): string {
    return this.parts.asksMore ? MORE_EVENTS : EVENTS
  }

  get hasPlace(): boolean {
    return this.#cursor !== undefined
  }

  start(): void {
    const program = ++this.#program
    this.parts.record({ kind: 'client', client: this.name, userId: this.userId, protocol: this.protocol })
    currentWorld().as(this.owner, () => {
      const plain = createClient({
        url: 'ws://parley/graphql',
        webSocketImpl: this.socketClass(),
        connectionParams: () => ({ authorization: `Bearer ${this.token()}` }),
        retryAttempts: 1_000_000,
        shouldRetry: () => true,
        retryWait: () => currentWorld().sleep(100 + currentWorld().random() * 1000, this.owner),
        onNonLazyError: () => undefined,
        keepAlive: 4000,
        generateID: () => String(++this.#ids),
      })
      this.#plain = plain
      this.#outbox = outbox(plain)
      void this.#follow(plain, program)
    })
  }

  async #follow(plain: GraphqlWsClient, program: number): Promise<void> {
    const { record } = this.parts
    while (this.#cursor === undefined && program === this.#program) {
      try {
        this.#cursor = await this.#load(plain)
      } catch {
        await currentWorld().sleep(REPEAT_MS, this.owner)
      }
    }
    if (program !== this.#program) return
    const client = resumable(plain, {
      onIncomplete: async () => {
        record({ kind: 'told incomplete', client: this.name })
        return await this.#load(plain)
      },
    })
    this.#unsubscribe = client.subscribe<{ events: { __typename: string; id: string | null } }>(
      { query: this.#events, variables: { after: this.#cursor } },
      {
        next: ({ data }) => {
          const event = data?.events
          if (program !== this.#program || event?.id == null) return
          this.#cursor = event.id
          record({ kind: 'given', client: this.name, id: Number(event.id), type: event.__typename })
        },
        error: (error) => record({ kind: 'fault', what: `the subscription of ${this.name} ended: ${String(error)}` }),
        complete: () => undefined,
      },
    )
  }

  /** Loads what there is, and where it stands. */
  async #load(plain: GraphqlWsClient): Promise<string> {
    this.parts.record({ kind: 'loading', client: this.name })
    const data = await new Promise<StateData>((resolve, reject) => {
      let answer: StateData | undefined
      plain.subscribe<StateData>(
        { query: STATE },
        {
          next: (result) => (answer = result.errors ? undefined : (result.data ?? undefined)),
          error: reject,
          complete: () => (answer ? resolve(answer) : reject(new Error('no state'))),
        },
      )
    })
    const messages = data.conversations.edges.flatMap(({ node }) => node.messages.edges.map((edge) => Number(edge.node.id)))
    this.parts.record({ kind: 'loaded', client: this.name, messages })
    return data.cursor
  }

  /** Sees which subscription a stream is of. */
  sent(socket: SimSocket, text: string): void {
    const message = JSON.parse(text) as {
      type: string
      id?: string
      payload?: { query?: string; variables?: { after?: string } }
    }
    if (message.type === 'subscribe' && message.payload?.query === this.#events)
      this.openStream(socket, message.id as string, message.payload.variables?.after ?? null)
    else this.closeStream(socket, text)
  }

  protected end(): void {
    this.#program++
    this.#unsubscribe?.()
    this.#outbox?.dispose()
    // It rejects where the connection is broken just then.
    Promise.resolve(this.#plain?.dispose()).catch(() => undefined)
  }

  protected forget(): void {
    this.#cursor = undefined
  }

  protected performNow(action: Action): void {
    const mail = this.#outbox
    if (!mail) return
    const request = this.asked(aboutOf(action))
    currentWorld().as(this.owner, () => {
      mail.mutate({ query: MUTATIONS[action.op], variables: variablesOf(action) }).then(
        ({ data }) => {
          const sent = data?.['sendMessage'] as { id: string } | undefined
          this.answered(request, 'ok', sent && Number(sent.id))
        },
        (error: unknown) => {
          const [first] = error instanceof OutboxError ? (error.errors as { extensions?: { code?: string } }[]) : []
          this.answered(request, first?.extensions?.code ?? 'unknown')
        },
      )
    })
  }
}
