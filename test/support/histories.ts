import type { ExecutionResult } from 'graphql'
import { Operations, type OpenSubscription } from '../../src/graphql/operations.ts'
import { createSchema } from '../../src/graphql/schema.ts'
import { createMemoryPubSub } from '../../src/pubsub/memory.ts'
import { groupTopic, userTopic } from '../../src/chat/events.ts'
import type { Store } from '../../src/store/store.ts'
import { newUserId } from './chat.ts'
import type { Data } from './graphql-client.ts'
import { createNode, turn, type TestNode } from './live.ts'
import { overriding } from './overriding.ts'

/** What a client shows of one user's chat, by query. */
const STATE = `{
  viewer { id }
  conversations(first: 20) { edges { node {
    id isGroup unreadCount lastMessage { id } group { id name announcement memberCount }
    members(first: 10) { edges { node { id } } }
    messages(first: 60) { edges { node { id content deletedAt sender { id } reactions { reaction userIds } readBy { readerId } } } }
  } } }
  notifications(first: 100) { edges { node { id notificationType } } }
  cursor
}`

const EVENTS = `subscription ($after: ID) { events(after: $after) {
  __typename id
  ... on MessageSent { message { id content deletedAt sender { id } conversation { id isGroup } } }
  ... on MessageEdited { message { id content } }
  ... on MessageDeleted { messageId }
  ... on MessageRead { messageId readerId }
  ... on ReactionAdded { messageId reaction reactionUserIds }
  ... on ReactionRemoved { messageId reaction reactionUserIds }
  ... on GroupUpdated { group { id name announcement memberCount conversation { id } } }
  ... on MemberJoined { groupId user { id } memberCount }
  ... on MemberLeft { groupId user { id } memberCount }
  ... on NotificationReceived { notification { id notificationType } }
} }`

/** With variables, so that each is parsed and validated once. */
const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'
const EDIT = 'mutation ($id: ID!, $content: String!) { editMessage(input: { messageId: $id, content: $content }) { id } }'
const DELETE = 'mutation ($id: ID!) { deleteMessage(messageId: $id) { id } }'
const READ = 'mutation ($id: ID!) { markMessageRead(messageId: $id) { readAt } }'
const REACT = 'mutation ($id: ID!, $reaction: String!) { addReaction(messageId: $id, reaction: $reaction) { count } }'
const UNREACT = 'mutation ($id: ID!, $reaction: String!) { removeReaction(messageId: $id, reaction: $reaction) { count } }'
const CREATE = 'mutation ($ids: [ID!]) { createGroup(input: { name: "g", memberIds: $ids }) { id } }'
const RENAME = 'mutation ($id: ID!, $name: String!) { updateGroup(groupId: $id, input: { name: $name }) { id } }'
const JOIN = 'mutation ($id: ID!) { joinGroup(groupId: $id) }'
const INVITE = 'mutation ($id: ID!, $userIds: [ID!]!) { inviteToGroup(groupId: $id, userIds: $userIds) { id } }'
const LEAVE = 'mutation ($id: ID!) { leaveGroup(groupId: $id) }'

interface ShownMessage {
  id: string
  content: string
  isDeleted: boolean
  sender: string
  reactions: Map<string, string[]>
  /** Only of the viewer's own messages: receipts go to their senders only. */
  readers: Set<string>
}

interface ShownConversation {
  id: string
  isGroup: boolean
  /** Whether the viewer joined while the client was watching: earlier messages would have to be loaded. */
  isPartial: boolean
  /** The messages that make its unread count. */
  unread: Set<string>
  group: { id: string; name: string; announcement: string | null; memberCount: number } | null
  members: Set<string>
  messages: Map<string, ShownMessage>
}

/** What a client shows: the result of a query, updated by later events. */
class ShownState {
  readonly viewer: string
  readonly #conversations = new Map<string, ShownConversation>()
  readonly #notifications = new Map<string, string>()
  /** Receipts that arrived before their message, which is in another topic: topics have no order among each other. */
  readonly #early = new Map<string, string[]>()
  /** Contents of the received messages. */
  readonly seen = new Set<string>()
  /** All received events. */
  readonly events: Data[] = []

  constructor({ viewer, conversations, notifications }: Data) {
    this.viewer = viewer.id
    for (const { node } of conversations.edges) {
      this.#conversations.set(node.id, {
        id: node.id,
        isGroup: node.isGroup,
        isPartial: false,
        unread: this.#unreadOf(node),
        group: node.group,
        members: new Set(node.members.edges.map((edge: Data) => edge.node.id)),
        messages: new Map(
          node.messages.edges.toReversed().map(({ node: { id, content, deletedAt, sender, reactions, readBy } }: Data) => [
            id,
            {
              id,
              content,
              isDeleted: deletedAt !== null,
              sender: sender.id,
              reactions: new Map(reactions.map((each: Data) => [each.reaction, each.userIds])),
              readers: new Set(sender.id === this.viewer ? readBy.map((each: Data) => each.readerId) : []),
            },
          ]),
        ),
      })
      const latest = node.messages.edges[0]?.node.id
      // Of one answer the parts agree with each other, whatever was committed while it was made.
      if (node.lastMessage?.id !== latest)
        throw new Error(`lastMessage is ${node.lastMessage?.id}, messages begin with ${latest}`)
    }
    for (const { node } of notifications.edges) this.#notifications.set(node.id, node.notificationType)
  }

  /** Readers read nothing: what is unread are the last ones of others. A new member begins with none. */
  #unreadOf({ unreadCount, messages }: Data): Set<string> {
    const ofOthers = messages.edges.filter(({ node }: Data) => node.sender.id !== this.viewer && node.deletedAt === null)
    if (unreadCount > ofOthers.length) throw new Error(`${unreadCount} are unread, of ${ofOthers.length} messages of others`)
    return new Set(ofOthers.slice(0, unreadCount).map(({ node }: Data) => node.id))
  }

  #groupOf(groupId: string): ShownConversation | undefined {
    return [...this.#conversations.values()].find(({ group }) => group?.id === groupId)
  }

  #messageOf(id: string): ShownMessage | undefined {
    for (const { messages } of this.#conversations.values()) if (messages.has(id)) return messages.get(id)
    return undefined
  }

  /** Applies an event as a client does. Throws for one that is already contained in what it shows. */
  apply(event: Data): void {
    this.events.push(event)
    switch (event.__typename) {
      case 'MessageSent': {
        const { id, content, deletedAt, sender, conversation } = event.message
        const isDeleted = deletedAt !== null
        this.seen.add(content)
        let shown = this.#conversations.get(conversation.id)
        if (!shown) {
          if (conversation.isGroup) return
          shown = {
            id: conversation.id,
            isGroup: false,
            isPartial: false,
            unread: new Set(),
            group: null,
            members: new Set(),
            messages: new Map(),
          }
          for (const member of /^direct_(\d+)_(\d+)$/.exec(conversation.id)?.slice(1) ?? []) shown.members.add(member)
          this.#conversations.set(shown.id, shown)
        }
        if (shown.messages.has(id)) throw new Error(`message ${id} (${content}) came twice`)
        shown.messages.set(id, {
          id,
          content,
          isDeleted,
          sender: sender.id,
          reactions: new Map(),
          readers: new Set(this.#early.get(id)),
        })
        if (sender.id !== this.viewer && !isDeleted) shown.unread.add(id)
        return
      }
      case 'MessageEdited': {
        const message = this.#messageOf(event.message.id)
        if (message) message.content = event.message.content
        return
      }
      case 'MessageDeleted': {
        const message = this.#messageOf(event.messageId)
        const conversation = [...this.#conversations.values()].find(({ messages }) => messages.has(event.messageId))
        if (!message || !conversation) return
        // A replayed message is as it is now; its reactions were replayed one by one.
        conversation.unread.delete(event.messageId)
        Object.assign(message, { isDeleted: true, content: '', reactions: new Map() })
        return
      }
      case 'MessageRead': {
        const message = this.#messageOf(event.messageId)
        if (message?.readers.has(event.readerId))
          throw new Error(`the receipt of ${event.readerId} for ${event.messageId} came twice`)
        if (message) message.readers.add(event.readerId)
        else this.#early.set(event.messageId, [...(this.#early.get(event.messageId) ?? []), event.readerId])
        return
      }
      case 'ReactionAdded':
      case 'ReactionRemoved': {
        const { reactions } = this.#messageOf(event.messageId) ?? {}
        const before = reactions?.get(event.reaction) ?? []
        if (reactions && before.join() === event.reactionUserIds.join()) throw new Error(`reaction ${event.id} is shown already`)
        if (event.reactionUserIds.length === 0) reactions?.delete(event.reaction)
        else reactions?.set(event.reaction, event.reactionUserIds)
        return
      }
      case 'GroupUpdated': {
        const { conversation, ...group } = event.group
        const shown = this.#groupOf(group.id)
        // Its member count is one of that moment, as in every event.
        if (shown) shown.group = group
        else if (conversation) this.#open(conversation.id, group)
        return
      }
      case 'MemberJoined': {
        const shown = this.#groupOf(event.groupId)
        if (event.user.id === this.viewer)
          return this.#open(`group_${event.groupId}`, {
            id: event.groupId,
            name: '',
            announcement: null,
            memberCount: event.memberCount,
          })
        if (!shown?.group) return
        if (!shown.isPartial && shown.members.has(event.user.id))
          throw new Error(`${event.user.id} joined ${event.groupId} twice`)
        shown.members.add(event.user.id)
        shown.group.memberCount = event.memberCount
        return
      }
      case 'MemberLeft': {
        const shown = this.#groupOf(event.groupId)
        if (event.user.id === this.viewer) this.#conversations.delete(`group_${event.groupId}`)
        if (!shown?.group) return
        shown.members.delete(event.user.id)
        shown.group.memberCount = event.memberCount
        return
      }
      case 'NotificationReceived':
        if (this.#notifications.has(event.notification.id)) throw new Error(`notification ${event.notification.id} came twice`)
        this.#notifications.set(event.notification.id, event.notification.notificationType)
        return
      default:
        throw new Error(`unexpected ${event.__typename}`)
    }
  }

  #open(id: string, group: NonNullable<ShownConversation['group']>): void {
    this.#conversations.set(id, {
      id,
      isGroup: true,
      isPartial: true,
      unread: new Set(),
      group,
      members: new Set(),
      messages: new Map(),
    })
  }

  get partial(): ReadonlySet<string> {
    return new Set([...this.#conversations.values()].filter(({ isPartial }) => isPartial).map(({ id }) => id))
  }

  /** The whole as canonical JSON; of conversations that are shown in part, only that they are there. */
  canonical(partial: ReadonlySet<string> = this.partial): string {
    const byId = <T extends { id: string }>(items: Iterable<T>): T[] => [...items].toSorted((a, b) => Number(a.id) - Number(b.id))
    const sorted = (items: Iterable<string>): string[] => [...items].toSorted((a, b) => a.localeCompare(b))
    const conversations = sorted(this.#conversations.keys()).map((id) => {
      const { messages, members, unread, group } = this.#conversations.get(id) as ShownConversation
      if (partial.has(id)) return { id }
      return {
        id,
        unread: unread.size,
        group: group && [group.name, group.announcement, group.memberCount],
        members: sorted(members),
        messages: byId(messages.values()).map((message) => ({
          ...message,
          reactions: sorted(message.reactions.keys()).map((key) => [key, message.reactions.get(key)]),
          readers: sorted(message.readers),
        })),
      }
    })
    return JSON.stringify({ conversations, notifications: sorted([...this.#notifications].map((pair) => pair.join())) }, null, 1)
  }
}

/** The first lines in which two texts differ, with what comes before. */
function differenceOf(shown: string, expected: string): string {
  const [is, ought] = [shown.split('\n'), expected.split('\n')]
  const at = is.findIndex((line, index) => line !== ought[index])
  const around = (lines: readonly string[]): string => lines.slice(Math.max(0, at - 12), at + 8).join('\n')
  return `shown:\n${around(is)}\nby a fresh query:\n${around(ought)}`
}

/** A node with its GraphQL operations and no transport. */
export interface HistoryNode extends TestNode {
  store: Store
  operations: Operations
}

export async function createHistoryNode(of: Store): Promise<HistoryNode> {
  // The embedded database answers within the turn: others have theirs between the position and what is read there.
  const store: Store = overriding(of, {
    snapshot: (read) =>
      of.snapshot(async (snapshot) => {
        for (let count = 0; count < 10; count++) await turn()
        return await read(snapshot)
      }),
  })
  const node = await createNode(store, createMemoryPubSub(), { resumeLimit: 100_000 })
  const operations = new Operations({
    schema: createSchema(),
    services: { chat: node.chat, feeds: node.feeds, admin: { note: () => undefined } } as never,
    report: (error) => void node.errors.push({ stage: 'operation', error }),
    activity: { isWatched: false, record: () => undefined },
    open: true,
  })
  return { ...node, store, operations }
}

/** How long what a watcher waits for may take on a busy machine. */
const PATIENCE_MS = 60_000

/** A client that shows the result of a query, and follows the events from its cursor. */
class Watcher {
  readonly userId: number
  readonly state: ShownState
  #failure: { error: unknown } | undefined
  #wake: () => void = () => undefined

  constructor(userId: number, state: ShownState) {
    this.userId = userId
    this.state = state
  }

  receive({ data, errors }: ExecutionResult): void {
    if (errors) return this.fail(errors[0])
    try {
      this.state.apply((data as Data).events)
    } catch (error) {
      this.fail(error)
    }
    this.#wake()
  }

  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#wake()
  }

  /** Resolves when it has seen all of these. Throws what went wrong until then. */
  async sees(wanted: readonly string[]): Promise<void> {
    const { state } = this
    const timer = setTimeout(() => {
      this.fail(new Error(`not everything came: ${JSON.stringify(wanted)} of ${state.canonical()}`))
    }, PATIENCE_MS)
    try {
      while (!this.#failure && !wanted.every((each) => state.seen.has(each)))
        await new Promise<void>((resolve) => (this.#wake = resolve))
    } finally {
      clearTimeout(timer)
    }
    if (this.#failure) throw this.#failure.error
  }
}

export interface HistoryOptions {
  node: HistoryNode
  /**
   * On the same database, over connections of its own, whose transactions are kept open; undefined if there is only one
   * connection.
   */
  holder: Store | undefined
  random: () => number
  /** How much each of three writers does, and how many readers query and follow. */
  size: { steps: number; watches: number }
}

const viewerOf = (userId: number) => ({
  userId,
  name: undefined,
  avatar: undefined,
  isAdmin: false,
  issuedAt: 0,
  expiresAt: Infinity,
})

/**
 * One random history: writers that change things at once, transactions that stay open for a while, and readers who query at random moments
 * and follow the events from the cursor. Throws where what a reader shows at the end is not what a fresh query gives. Others may run beside
 * it: its users and groups are its own.
 */
export async function runHistory({ node, holder, random, size: { steps, watches } }: HistoryOptions): Promise<void> {
  const { operations } = node
  const below = (limit: number): number => Math.floor(random() * limit)
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T
  const turns = async (limit: number): Promise<void> => {
    for (let count = below(limit); count > 0; count--) await turn()
  }
  const run = async (userId: number, document: string, variables: Data = {}): Promise<Data> => {
    const { data, errors } = await operations.execute({ document, variables, viewer: viewerOf(userId), connectionId: null })
    // As it says where a machine is so busy that a query with a cursor waits too long.
    if (errors?.some(({ extensions }) => extensions['code'] === 'UNAVAILABLE')) return await run(userId, document, variables)
    if (errors) throw new Error(errors.map(({ message }) => message).join())
    return data as Data
  }
  /** What may be refused: somebody else was faster. */
  const attempt = async (userId: number, document: string, variables: Data = {}): Promise<Data> =>
    await run(userId, document, variables).catch(() => undefined)

  const users = Array.from({ length: 4 }, newUserId)
  // The observers read nothing, so that their unread counts follow from the events.
  const readers = users.slice(0, 2)
  await node.store.users.upsert(users.map((id) => ({ id, name: `u${id}`, avatar: undefined })))
  const groups: number[] = []
  const createGroup = async (): Promise<void> => {
    if (groups.length === 4) return
    const [owner = 0, ...ids] = users.toSorted(() => random() - 0.5).slice(0, 2 + below(3))
    groups.push(Number((await run(owner, CREATE, { ids })).createGroup.id))
  }
  await createGroup()
  const messages: string[] = []
  let sent = 0

  const send = async (): Promise<void> => {
    const sender = pick(users)
    const target =
      random() < 0.5 ? { conversationId: `group_${pick(groups)}` } : { receiverId: pick(users.filter((id) => id !== sender)) }
    const made = await attempt(sender, SEND, { input: { ...target, content: `m${++sent}` } })
    if (made) messages.push(made.sendMessage.id)
  }
  const onMessage = async (document: string, variables: Data = {}, user = pick(users)): Promise<void> => {
    if (messages.length > 0) await attempt(user, document, { id: pick(messages), ...variables })
  }
  /**
   * Readers who left a group stay out of it: where a node lags behind in the group's topic, it delivers the event of coming back, which is in the
   * user's own topic too, before the one of leaving.
   */
  const gone = new Set<string>()
  const join = async (): Promise<void> => {
    const [id, userId, inviter] = [pick(groups), pick(users), pick(users)]
    if (gone.has(`${id} ${userId}`)) return
    if (inviter === userId) await attempt(userId, JOIN, { id })
    else await attempt(inviter, INVITE, { id, userIds: [userId] })
  }
  const leave = async (): Promise<void> => {
    const [id, userId] = [pick(groups), pick(users)]
    if (readers.includes(userId)) gone.add(`${id} ${userId}`)
    await attempt(userId, LEAVE, { id })
  }
  const kinds: (() => Promise<unknown>)[] = [
    send,
    send,
    send,
    () => onMessage(READ, {}, pick(users.slice(2))),
    () => onMessage(REACT, { reaction: pick(['a', 'b']) }),
    () => onMessage(UNREACT, { reaction: pick(['a', 'b']) }),
    () => onMessage(EDIT, { content: `e${++sent}` }),
    () => onMessage(EDIT, { content: `e${++sent}` }),
    () => onMessage(DELETE),
    join,
    join,
    leave,
    () => attempt(pick(users), RENAME, { id: pick(groups), name: `n${++sent}` }),
    () => node.chat.republish.systemNotification(`s${++sent}`, {}, [...new Set([pick(users), pick(users)])]),
    createGroup,
  ]

  /** A change whose transaction stays open for a while, as on a slow node; it is not published. */
  const hold = async ({ transaction }: Store): Promise<void> => {
    const userId = pick(users)
    const groupId = pick(groups)
    const name = `h${++sent}`
    const isOfUser = random() < 0.5
    await transaction(async (tx) => {
      await tx.lock([isOfUser ? userTopic(userId) : groupTopic(groupId)])
      if (isOfUser) {
        const [payload] = await tx.notifications.add([userId], name, {})
        tx.append({ topics: [userTopic(userId)], kind: 'notification', payload })
      } else {
        const group = await tx.groups.update(groupId, { name })
        tx.append({ topics: [groupTopic(groupId)], kind: 'group_updated', payload: { group } })
      }
      await turns(60)
    })
  }

  const opened: OpenSubscription[] = []
  const watch = async (): Promise<Watcher> => {
    await turns(40)
    const userId = pick(readers)
    const data = await run(userId, STATE)
    const watcher = new Watcher(userId, new ShownState(data))
    await turns(60)
    const request = operations.prepare({
      document: EVENTS,
      variables: { after: data.cursor },
      viewer: viewerOf(userId),
      connectionId: null,
    })
    if ('errors' in request) throw new Error(JSON.stringify(request))
    const subscription = await operations.subscribe(request, {
      protocol: 'graphql-ws',
      event(result) {
        watcher.receive(result)
        return true
      },
      end: (error) => watcher.fail(error),
    })
    if (!('start' in subscription)) throw new Error(JSON.stringify(subscription))
    opened.push(subscription)
    await subscription.start()
    return watcher
  }
  const write = async (): Promise<void> => {
    for (let count = 0; count < steps; count++) {
      await pick(kinds)()
      await turns(3)
    }
  }

  /** What each reader sees last: a message in each topic that they are in, before which everything else of it comes. */
  const end = async (): Promise<Map<number, string[]>> => {
    const memberships = await node.store.conversations.memberships(readers)
    const ends = new Map(readers.map((id) => [id, [`end ${id}`]]))
    const sends: { from: number; input: Data }[] = readers.map((receiverId) => ({
      from: users.at(-1) as number,
      input: { receiverId, content: `end ${receiverId}` },
    }))
    const senders = new Map<string, number>()
    for (const [userId, { groups: joined }] of memberships) {
      for (const { topic } of joined) {
        const conversationId = topic.replace(':', '_')
        senders.set(conversationId, userId)
        ends.get(userId)?.push(`end ${conversationId}`)
      }
    }
    for (const [conversationId, from] of senders)
      sends.push({ from, input: { conversationId, content: `end ${conversationId}` } })
    await Promise.all(sends.map(({ from, input }) => run(from, SEND, { input })))
    return ends
  }

  try {
    const work = [write(), write(), write(), ...(holder ? [hold(holder), turns(20).then(() => hold(holder))] : [])]
    const [watchers] = await Promise.all([Promise.all(Array.from({ length: watches }, watch)), ...work])
    await node.topics.check()
    const ends = await end()
    await Promise.all(watchers.map((watcher) => watcher.sees(ends.get(watcher.userId) ?? [])))
    for (const userId of new Set(watchers.map((watcher) => watcher.userId))) {
      const fresh = new ShownState(await run(userId, STATE))
      for (const { state } of watchers.filter((watcher) => watcher.userId === userId)) {
        const [shown, expected] = [state.canonical(), fresh.canonical(state.partial)]
        if (shown === expected) continue
        throw new Error(
          `${differenceOf(shown, expected)}\nthe events: ${state.events.map((event) => JSON.stringify(event)).join(' ')}`,
        )
      }
    }
    if (node.errors.length > 0) throw node.errors[0]?.error
  } finally {
    for (const subscription of opened) subscription.close()
  }
}
