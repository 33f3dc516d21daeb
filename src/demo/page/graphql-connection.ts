/** The chat over GraphQL subscriptions, by the library graphql-ws, which resumes by `resumable`. */
import { outbox, resumable } from '../../clients/resume/resume.ts'
import type { ChatEvent, ChatMessage, Connection, ConnectionOptions, Person } from './connection.ts'
import { ADD_REACTION, DELETE, EDIT, EVENTS, MARK_READ, REMOVE_REACTION, SEND, SET_TYPING } from './documents.ts'
import type { Line } from './line.ts'
import { freshToken, GRAPHQL_URL, serverNow } from './server.ts'

/** The library's own browser build, served by the server. */
const GRAPHQL_WS = '/demo/graphql-ws/client.js'
const { createClient } = (await import(GRAPHQL_WS)) as typeof import('graphql-ws')

interface GraphqlMessage extends Omit<ChatMessage, 'conversationId' | 'isGroup' | 'isEdited' | 'isDeleted'> {
  readonly editedAt: string | null
  readonly deletedAt: string | null
  readonly conversation: { readonly id: string; readonly isGroup: boolean }
}

interface EventBase {
  readonly id: string | null
  readonly timestamp: string
}
type GraphqlEvent = EventBase &
  (
    | { readonly __typename: 'MessageSent' | 'MessageEdited'; readonly message: GraphqlMessage }
    | { readonly __typename: 'MessageDeleted'; readonly messageId: string; readonly conversationId: string }
    | { readonly __typename: 'MessageRead'; readonly messageId: string; readonly readerId: string }
    | {
        readonly __typename: 'ReactionAdded' | 'ReactionRemoved'
        readonly messageId: string
        readonly reaction: string
        readonly reactionUserIds: readonly string[]
      }
    | {
        readonly __typename: 'ConversationRead'
        readonly conversationId: string
        readonly readUpTo: string | null
        readonly unreadCount: number
      }
    | { readonly __typename: 'BlockChanged'; readonly user: Pick<Person, 'id'>; readonly blocked: boolean }
    | { readonly __typename: 'TypingChanged'; readonly conversationId: string; readonly user: Person; readonly typing: boolean }
    | { readonly __typename: 'OnlineStatusChanged'; readonly userId: string; readonly online: boolean }
    | { readonly __typename: 'GroupUpdated' | 'MemberJoined' | 'MemberLeft' | 'NotificationReceived' | 'ResumeIncomplete' }
  )

const messageOf = ({ conversation, editedAt, deletedAt, ...message }: GraphqlMessage): ChatMessage => ({
  ...message,
  isEdited: editedAt !== null,
  isDeleted: deletedAt !== null,
  conversationId: conversation.id,
  isGroup: conversation.isGroup,
})

export function connectGraphql(line: Line, { userId, after, listener }: ConnectionOptions): Connection {
  let cursor = after
  let isClosed = false
  /** A replay in progress: every event older than the connection. */
  let resume: { after: string; count: number; until: number } | undefined
  let wasOpen = false

  const client = resumable(
    createClient({
      url: async () => {
        await line.restored()
        if (!isClosed) listener.state('connecting')
        return GRAPHQL_URL
      },
      webSocketImpl: line.Socket,
      connectionParams: async () => ({ authorization: `Bearer ${await freshToken(userId)}` }),
      // It would reconnect by itself too, but later.
      retryAttempts: 0,
      // A queued mutation may connect before the subscription does: one connection serves both.
      lazyCloseTimeout: 10_000,
      on: {
        connected() {
          resume = wasOpen ? { after: cursor, count: 0, until: serverNow() } : undefined
          wasOpen = true
          listener.state('open')
          if (resume) listener.resumed(0, resume.after)
        },
        closed() {
          if (!isClosed) listener.state('waiting')
        },
      },
    }),
  )
  client.subscribe<{ events: GraphqlEvent }>(
    { query: EVENTS, variables: { after } },
    {
      next({ data }) {
        if (data) take(data.events)
      },
      error: ended,
      complete: ended,
    },
  )
  const box = outbox(client)

  /** An administrator disconnected the user, or this page closed the connection. */
  function ended(): void {
    if (isClosed) return
    isClosed = true
    listener.state('closed')
  }

  function take(event: GraphqlEvent): void {
    const isLate = resume !== undefined && event.id !== null && Date.parse(event.timestamp) < resume.until
    cursor = event.id ?? cursor
    if (resume && isLate) listener.resumed(++resume.count, resume.after)
    const told = eventOf(event)
    if (told) listener.event(told, isLate)
  }

  /** Repeated on the next connection if one breaks: the server executes it once, or with the same effect as once. */
  const run = async (query: string, variables: Record<string, unknown>): Promise<void> => {
    await box.mutate({ query, variables })
  }

  return {
    async send({ conversationId, peerId }, content, key, replyToId) {
      const target = peerId === null ? { conversationId } : { receiverId: peerId }
      await run(SEND, { input: { ...target, content, clientMessageId: key, replyToId } })
    },
    edit: ({ id: messageId }, content) => run(EDIT, { messageId, content }),
    delete: ({ id: messageId }) => run(DELETE, { messageId }),
    setTyping: (conversationId, typing) => run(SET_TYPING, { conversationId, typing }),
    async markRead(messages) {
      const last = messages.at(-1)
      if (last) await run(MARK_READ, { conversationId: last.conversationId, upToMessageId: last.id })
    },
    react: ({ id: messageId }, reaction, isAdded) => run(isAdded ? ADD_REACTION : REMOVE_REACTION, { messageId, reaction }),
    close() {
      isClosed = true
      box.dispose()
      void client.dispose()
    },
  }
}

function eventOf(event: GraphqlEvent): ChatEvent | undefined {
  switch (event.__typename) {
    case 'MessageSent':
    case 'MessageEdited': {
      const message = messageOf(event.message)
      // A replay has reached a message deleted since, which the legacy protocol does not report.
      if (message.isDeleted) return undefined
      return { kind: event.__typename === 'MessageSent' ? 'message' : 'edited', message }
    }
    case 'MessageDeleted':
      return { kind: 'deleted', conversationId: event.conversationId, messageId: event.messageId }
    case 'MessageRead':
      return { kind: 'read', messageId: event.messageId, readerId: event.readerId }
    case 'ReactionAdded':
    case 'ReactionRemoved':
      return { kind: 'reaction', messageId: event.messageId, reaction: event.reaction, userIds: event.reactionUserIds }
    case 'ConversationRead': {
      const { conversationId, readUpTo, unreadCount: unread } = event
      return { kind: 'marked', conversationId, readUpTo, unread }
    }
    case 'BlockChanged':
      return { kind: 'blocked', userId: event.user.id, blocked: event.blocked }
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
