/** The chat's queries. They return what the server answers as the page holds it. */
import type { ChatMessage, Person } from './connection.ts'
import type { Conversation, LastMessage, Message, Quoted, Summary } from './conversation.ts'
import { BLOCKS, CONVERSATIONS, HISTORY, PRESENCE } from './documents.ts'
import { query } from './server.ts'

type Edges<T> = { edges: { node: T }[] }

interface ConversationNode {
  id: string
  isGroup: boolean
  group: { name: string } | null
  members: Edges<Person & { online: boolean }>
  unreadCount: number
  readUpTo: string | null
  lastMessage: Loaded<LastMessage> | null
}

/** As returned by a query. */
type Loaded<M extends { isDeleted: boolean }> = Omit<M, 'isDeleted'> & { deletedAt: string | null }

interface MessageNode extends Loaded<Omit<ChatMessage, 'conversationId' | 'isGroup' | 'isEdited'>> {
  editedAt: string | null
  replyTo: Loaded<Quoted> | null
  reactions: { reaction: string; userIds: string[] }[]
  readBy: { readerId: string }[]
}

interface Conversations<C> {
  conversations: Edges<C>
}

interface Blocks {
  blockedUsers: Edges<{ id: string }>
}

interface History {
  conversation: { messages: Edges<MessageNode> & { pageInfo: { hasNextPage: boolean; endCursor: string | null } } } | null
}

export interface UserPresence {
  readonly id: string
  readonly online: boolean
}

/** Messages of a conversation. */
export interface HistoryPage {
  /** Oldest first. */
  messages: Message[]
  /** What they reply to. */
  quotes: Quoted[]
  /** The cursor of older messages; null if there are none. */
  older: string | null
}

/** The user's conversations, who of their members is online, and whom the user has blocked. */
export async function loadConversations(
  me: Person,
): Promise<{ conversations: Summary[]; presence: UserPresence[]; blocked: string[] }> {
  const answer = await query<Conversations<ConversationNode> & Blocks>(me.id, CONVERSATIONS)
  return {
    conversations: answer.conversations.edges.map(({ node }) => summaryOf(node, me)),
    presence: presenceOf(answer),
    blocked: blockedOf(answer),
  }
}

/** Who is online of the members of the user's conversations. */
export async function loadPresence(me: Person): Promise<UserPresence[]> {
  return presenceOf(await query<Conversations<Pick<ConversationNode, 'members'>>>(me.id, PRESENCE))
}

/** Whom the user has blocked. */
export async function loadBlocked(me: Person): Promise<string[]> {
  return blockedOf(await query<Blocks>(me.id, BLOCKS))
}

/** The newest messages of a conversation, or the next older ones if some are loaded. */
export async function loadHistory(me: Person, { id, isGroup, older }: Conversation): Promise<HistoryPage> {
  const { conversation } = await query<History>(me.id, HISTORY, { conversationId: id, after: older })
  const nodes = conversation?.messages.edges.map(({ node }) => node) ?? []
  const pageInfo = conversation?.messages.pageInfo
  return {
    messages: nodes.map((node) => messageOf(node, id, isGroup)).reverse(),
    quotes: nodes.flatMap(({ replyTo }) => (replyTo ? [isDeletedOf(replyTo)] : [])),
    older: pageInfo?.hasNextPage ? pageInfo.endCursor : null,
  }
}

function summaryOf({ id, isGroup, group, members, unreadCount, readUpTo, lastMessage }: ConversationNode, me: Person): Summary {
  const others = members.edges.map(({ node }) => node).filter((member) => member.id !== me.id)
  const [peer] = others
  return {
    id,
    isGroup,
    title: (isGroup ? group?.name : peer?.name) ?? id,
    peerId: isGroup ? null : (peer?.id ?? null),
    others,
    unread: unreadCount,
    readUpTo,
    last: lastMessage && isDeletedOf(lastMessage),
  }
}

function messageOf(
  { reactions, readBy, editedAt, replyTo: _replyTo, ...node }: MessageNode,
  conversationId: string,
  isGroup: boolean,
): Message {
  return {
    ...isDeletedOf(node),
    isEdited: editedAt !== null,
    conversationId,
    isGroup,
    reactions: new Map(reactions.map(({ reaction, userIds }) => [reaction, userIds])),
    readBy: new Set(readBy.map(({ readerId }) => readerId)),
    isResumed: false,
  }
}

const isDeletedOf = <M extends { deletedAt: string | null }>({ deletedAt, ...message }: M) => ({
  ...message,
  isDeleted: deletedAt !== null,
})

const presenceOf = ({ conversations }: Conversations<Pick<ConversationNode, 'members'>>): UserPresence[] =>
  conversations.edges.flatMap(({ node }) => node.members.edges.map((member) => member.node))

const blockedOf = ({ blockedUsers }: Blocks): string[] => blockedUsers.edges.map(({ node }) => node.id)
