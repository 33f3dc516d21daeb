/** The chat over GraphQL subscriptions, by the library graphql-ws, which resumes if its user does. */
import { CLOSE } from '../../legacy-protocol/close-codes.ts'
import type { ChatEvent, ChatMessage, Connection, ConnectionOptions, Person } from './connection.ts'
import { ADD_REACTION, EVENTS, MARK_READ, REMOVE_REACTION, SEND, SET_TYPING } from './documents.ts'
import type { Line } from './line.ts'
import { freshToken, GRAPHQL_URL, serverNow } from './server.ts'

/** The library's own build for browsers, as the server hands it out. */
const GRAPHQL_WS = '/demo/graphql-ws/client.js'
const { createClient } = (await import(GRAPHQL_WS)) as typeof import('graphql-ws')

interface GraphqlMessage extends Omit<ChatMessage, 'conversationId' | 'isGroup'> {
  readonly conversation: { readonly id: string; readonly isGroup: boolean }
}

interface EventBase {
  readonly id: string | null
  readonly timestamp: string
}
type GraphqlEvent = EventBase &
  (
    | { readonly __typename: 'MessageSent'; readonly message: GraphqlMessage }
    | { readonly __typename: 'MessageRead'; readonly messageId: string; readonly readerId: string }
    | {
        readonly __typename: 'ReactionAdded' | 'ReactionRemoved'
        readonly messageId: string
        readonly reaction: string
        readonly reactionUserIds: readonly string[]
      }
    | { readonly __typename: 'TypingChanged'; readonly conversationId: string; readonly user: Person; readonly typing: boolean }
    | { readonly __typename: 'OnlineStatusChanged'; readonly userId: string; readonly online: boolean }
    | { readonly __typename: 'GroupUpdated' | 'MemberJoined' | 'MemberLeft' | 'NotificationReceived' | 'ResumeIncomplete' }
  )

/** The server answered, and said no. */
class RefusedError extends Error {}

const messageOf = ({ conversation, ...message }: GraphqlMessage): ChatMessage => ({
  ...message,
  conversationId: conversation.id,
  isGroup: conversation.isGroup,
})

const pause = (failures: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.min(5000, 200 * 2 ** failures) * (0.5 + Math.random() / 2)))

export function connectGraphql(line: Line, { userId, after, listener }: ConnectionOptions): Connection {
  const seen = new Set<string>()
  let cursor = after
  let isClosed = false
  let failures = 0
  /** What was missed, while it comes: all that is older than the connection. */
  let resume: { after: string; count: number; until: number } | undefined
  let wasOpen = false
  let isOpen = false
  let opened = deferred()

  const client = createClient({
    url: GRAPHQL_URL,
    webSocketImpl: line.Socket,
    connectionParams: async () => ({ authorization: `Bearer ${await freshToken(userId)}` }),
    // It would come back by itself, but with the variables of the first time.
    retryAttempts: 0,
    on: {
      connected() {
        failures = 0
        resume = wasOpen ? { after: cursor, count: 0, until: serverNow() } : undefined
        wasOpen = isOpen = true
        listener.state('open')
        if (resume) listener.resumed(0, resume.after)
        opened.resolve()
      },
      closed() {
        // Attempts that fail close too, and some wait already for one that does not.
        if (isOpen) opened = deferred()
        isOpen = false
        if (!isClosed) listener.state('waiting')
      },
    },
  })
  void read()

  async function read(): Promise<void> {
    while (!isClosed) {
      await line.mended()
      listener.state('connecting')
      try {
        const events = client.iterate<{ events: GraphqlEvent }>({ query: EVENTS, variables: { after: cursor } })
        for await (const { data, errors } of events) {
          if (errors || !data) throw new RefusedError(errors?.[0]?.message)
          take(data.events)
        }
      } catch (error) {
        if ((error as Partial<CloseEvent>).code === CLOSE.disconnected.code) {
          isClosed = true
          listener.state('closed')
        }
      }
      if (!isClosed) await pause(failures++)
    }
  }

  function take(event: GraphqlEvent): void {
    const isLate = resume !== undefined && event.id !== null && Date.parse(event.timestamp) < resume.until
    if (event.id !== null) {
      if (seen.has(event.id)) return
      seen.add(event.id)
      if (BigInt(event.id) > BigInt(cursor)) cursor = event.id
    }
    if (resume && isLate) listener.resumed(++resume.count, resume.after)
    const told = eventOf(event)
    if (told) listener.event(told, isLate)
  }

  /** Repeated on the next connection where one breaks, which must be safe. */
  async function run(query: string, variables: Record<string, unknown>): Promise<void> {
    for (;;) {
      await opened.promise
      try {
        for await (const { errors } of client.iterate({ query, variables })) {
          if (errors?.[0]) throw new RefusedError(errors[0].message)
        }
        return
      } catch (error) {
        if (error instanceof RefusedError || isClosed) throw error
        await pause(0)
      }
    }
  }

  return {
    async send({ conversationId, peerId }, content, key) {
      const target = peerId === null ? { conversationId } : { receiverId: peerId }
      await run(SEND, { input: { ...target, content, clientMessageId: key } })
    },
    setTyping: (conversationId, typing) => run(SET_TYPING, { conversationId, typing }),
    async markRead(messages) {
      const last = messages.at(-1)
      if (last) await run(MARK_READ, { conversationId: last.conversationId, upToMessageId: last.id })
    },
    react: ({ id: messageId }, reaction, isAdded) => run(isAdded ? ADD_REACTION : REMOVE_REACTION, { messageId, reaction }),
    close() {
      isClosed = true
      // An attempt that runs may fail, which matters to nobody any more.
      Promise.resolve(client.dispose()).catch(() => undefined)
    },
  }
}

function eventOf(event: GraphqlEvent): ChatEvent | undefined {
  switch (event.__typename) {
    case 'MessageSent':
      return { kind: 'message', message: messageOf(event.message) }
    case 'MessageRead':
      return { kind: 'read', messageId: event.messageId, readerId: event.readerId }
    case 'ReactionAdded':
    case 'ReactionRemoved':
      return { kind: 'reaction', messageId: event.messageId, reaction: event.reaction, userIds: event.reactionUserIds }
    case 'TypingChanged':
      return { kind: 'typing', conversationId: event.conversationId, user: event.user, typing: event.typing }
    case 'OnlineStatusChanged':
      return { kind: 'online', userId: event.userId, online: event.online }
    case 'GroupUpdated':
    case 'MemberJoined':
    case 'MemberLeft':
      return { kind: 'group' }
    case 'ResumeIncomplete':
      return { kind: 'gap' }
    case 'NotificationReceived':
      return undefined
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((settle) => (resolve = settle))
  return { promise, resolve }
}
