import { randomUUID } from 'node:crypto'
import { ERROR_STATUS } from '../../src/errors.ts'
import { tokenOf, type TestApp, type TestUser } from './app.ts'
import { connectHttp, type Data, type GraphqlClient, type Result, type Subscription } from './graphql-client.ts'
import { Inbox } from './inbox.ts'
import type { Frame } from './legacy-client.ts'
import { direct, eachOf } from './people.ts'

/** An event as every transport delivers it: the same object over each of them. */
export interface Happening {
  kind: string
  /** The id in the event log; null for an ephemeral event. */
  id: string | null
  conversation?: string
  group?: number
  message?: number
  /** Who did it, or to whom it happened. */
  user?: number
  text?: string
  reaction?: string
  /** The user who added the reaction. */
  users?: number[]
  typing?: boolean
  online?: boolean
  blocked?: boolean
  name?: string
  avatar?: string | null
  members?: number
  type?: string
  data?: unknown
  /** The message that it answers, where it answers one. */
  replyTo?: number
  /** How many messages are unread. */
  unread?: number
  /** Who is mentioned, where somebody is. */
  mentions?: number[]
}

export interface Quotes {
  replyTo?: Happening
  mentions?: readonly TestUser[]
}

export type Target = { to: TestUser } | { group: string }

/** One connection of a user, alike over every transport. */
export interface ChatClient {
  user: TestUser
  /** All but presence, in order. */
  inbox: Inbox<Happening>
  /** Presence separately: it is announced asynchronously, after a write to the database. */
  presence: Inbox<Happening>
  /** What was read on some device of the user, separately too: only some clients receive it. */
  reads: Inbox<Happening>
  /** The id of the last durable event: what a client resumes after. */
  cursor(): string
  /** Whether a resume reported that it was incomplete. */
  isIncomplete(): boolean
  /** The requests reject with a Refusal. */
  send(target: Target, text: string, key?: string, quotes?: Quotes): Promise<void>
  edit(message: Happening, text: string, mentions?: readonly TestUser[]): Promise<void>
  delete(message: Happening): Promise<void>
  type(conversation: string, typing: boolean): Promise<void>
  read(message: Happening): Promise<void>
  react(message: Happening, reaction: string): Promise<void>
  unreact(message: Happening, reaction: string): Promise<void>
  /** Waits until all that happened before has come, then takes it. */
  settle(): Promise<Happening[]>
  /** Ends the connection without a word, as a broken network does. */
  cut(): void
}

/** A request that the server refused, with the code of the error. */
class Refusal extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(`${code}: ${message}`)
    this.code = code
  }
}

export interface Transport {
  name: string
  /** Whether requests come over the connection that ends with it. */
  isSocket: boolean
  /** Connects; with `after`, resolves when what was missed since has come. */
  connect(app: TestApp, user: TestUser, after?: string): Promise<ChatClient>
}

/** Ids above are of users whose typing in an empty conversation, of which nothing is stored, ends a wait. */
const FIRST_PROBE = 1_000_000
/** How many probes a user has: those of all users are the same, so that few are stored. */
const probes = new Map<number, number>()

interface Received {
  client: Pick<ChatClient, 'user' | 'inbox' | 'presence' | 'reads' | 'cursor' | 'isIncomplete' | 'settle'>
  receive(happening: Happening): void
  /** Waits until the subscription receives events of the user: asks until it does. */
  opened(subscription: Subscription): Promise<void>
}

/** What is alike behind every transport: where happenings go, and how to know that no more are under way. */
function createReceived(app: TestApp, user: TestUser): Received {
  const inbox = new Inbox<Happening>()
  const presence = new Inbox<Happening>()
  const reads = new Inbox<Happening>()
  let cursor = '0'
  let incomplete = false
  const urls = app.graphqlUrls ?? [app.graphqlUrl]
  const opening = createProbe(urls[0] as string, user)
  // A node's events come in its order; they tell nothing about those of another node.
  const settling = urls.map((url) => createProbe(url, user))

  return {
    receive(happening) {
      if (happening.kind === 'presence') return presence.push(happening)
      if (happening.kind === 'resume_incomplete') return void (incomplete = true)
      if (
        opening.heard(happening) ||
        settling.some((probe) => probe.heard(happening)) ||
        (happening.user as number) > FIRST_PROBE
      )
        return
      // A replay may repeat live events.
      if (Number(happening.id) > Number(cursor)) cursor = String(happening.id)
      if (happening.kind === 'conversation_read') reads.push(happening)
      else inbox.push(happening)
    },
    async opened({ ended }) {
      let problem: string | undefined
      void ended.then((errors) => (problem = JSON.stringify(errors)))
      while (opening.echoes.waiting.length === 0 && problem === undefined) await opening.say()
      if (problem !== undefined) throw new Error(`the subscription ended: ${problem}`)
    },
    client: {
      user,
      inbox,
      presence,
      reads,
      cursor: () => cursor,
      isIncomplete: () => incomplete,
      async settle() {
        await app.caughtUp?.(user.id)
        for (const probe of settling) {
          await probe.say()
          await probe.echoes.next()
        }
        return inbox.drain()
      },
    },
  }
}

const PROBE = `mutation ($conversation: ID!) {
  start: setTyping(conversationId: $conversation, typing: true)
  end: setTyping(conversationId: $conversation, typing: false)
}`

/** Somebody whose typing to this user this client alone waits for; it comes after everything that its node sent before. */
function createProbe(url: string, user: TestUser) {
  const number = (probes.get(user.id) ?? 0) + 1
  probes.set(user.id, number)
  const id = FIRST_PROBE + number
  const over = connectHttp(url, tokenOf({ userId: id, name: 'Probe' }))
  const echoes = new Inbox<Happening>()
  return {
    echoes,
    say: () => over.data(PROBE, { conversation: direct(user, { id, name: 'Probe' }) }),
    heard(happening: Happening): boolean {
      if (happening.kind !== 'typing' || happening.user !== id) return false
      if (!happening.typing) echoes.push(happening)
      return true
    },
  }
}

const quotesOf = (
  replyTo: number | null | undefined,
  mentions: readonly number[] = [],
): Pick<Happening, 'replyTo' | 'mentions'> => ({
  ...(replyTo == null ? {} : { replyTo }),
  ...(mentions.length === 0 ? {} : { mentions: ascending(mentions) }),
})

const LEGACY_KINDS: Record<string, (data: Data) => Omit<Happening, 'kind' | 'id'> & { kind?: string }> = {
  message_sent: (data) => ({
    conversation: data.session_id,
    message: data.id,
    user: data.sender_id,
    text: data.content,
    ...(data.is_group ? { group: data.group_id } : {}),
    ...quotesOf(data.reply_to_id, data.mention_ids),
  }),
  message_edited: (data) => LEGACY_KINDS['message_sent']?.(data) ?? {},
  message_deleted: (data) => ({ conversation: data.session_id, message: data.message_id, user: data.deleted_by }),
  conversation_read: (data) => ({ conversation: data.session_id, message: data.read_up_to, unread: data.unread_count }),
  message_read: (data) => ({ message: data.message_id, user: data.reader_id }),
  reaction_added: (data) => ({
    message: data.message_id,
    user: data.user_id,
    reaction: data.reaction,
    users: data.reaction_user_ids,
  }),
  reaction_removed: (data) => LEGACY_KINDS['reaction_added']?.(data) ?? {},
  typing: (data) => ({ conversation: data.session_id, user: data.user_id, typing: data.typing }),
  online_status: (data) => ({ kind: 'presence', user: data.user_id, online: data.online }),
  group_updated: ({ data }) => ({ group: data.group_id, name: data.name, members: data.member_count }),
  user_joined_group: ({ data }) => ({
    kind: 'member_joined',
    group: data.group_id,
    user: data.user_id,
    members: data.member_count,
  }),
  user_left_group: ({ data }) => ({ kind: 'member_left', group: data.group_id, user: data.user_id, members: data.member_count }),
  user_updated: (data) => ({ user: data.user_id, name: data.username, avatar: data.avatar }),
  notification: (data) => ({ type: data.notification_type, data: data.data }),
}

/** A push as a happening; undefined for an answer. */
function happeningOf({ type, data, message_id }: Frame): Happening | undefined {
  if (type === 'resume' && data.complete === false) return { kind: 'resume_incomplete', id: null }
  const read = LEGACY_KINDS[type]
  if (!read || data?.success !== undefined) return undefined
  return { kind: type, id: message_id ?? null, ...read(data) }
}

async function connectLegacy(
  app: TestApp,
  user: TestUser,
  after: string | undefined,
  resumeBy: 'header' | 'frame',
  capabilities?: string,
): Promise<ChatClient> {
  const { client, receive } = createReceived(app, user)
  const byHeader = after !== undefined && resumeBy === 'header'
  const headers = { ...(byHeader ? { 'last-event-id': after } : {}), ...(capabilities === undefined ? {} : { capabilities }) }
  const legacy = await app.legacy(user, { headers })
  legacy.inbox.divert((frame) => {
    const happening = happeningOf(frame)
    if (happening) receive(happening)
    return happening !== undefined && frame.type !== 'resume'
  })
  await legacy.inbox.next(({ type }) => type === 'connection_established')
  if (byHeader) await legacy.inbox.next(({ type }) => type === 'resume')
  else if (after !== undefined) await legacy.request('resume', { last_message_id: after })

  async function request(type: string, data: unknown, key?: string): Promise<void> {
    const { type: answered, code, data: answer } = await legacy.request(type, data, key)
    if (answered !== 'error') return
    const name = Object.entries(ERROR_STATUS).find(([, status]) => status === code)?.[0]
    throw new Refusal(name ?? String(code), answer.details.error)
  }
  const about = (message: Happening) => ({ message_id: message.message, is_group: message.group !== undefined })
  return {
    ...client,
    send: (target, content, key, { replyTo, mentions } = {}) =>
      request(
        'message_sent',
        {
          ...('to' in target ? { receiver_id: target.to.id } : { conversation_id: target.group, is_group: true }),
          ...{ content, reply_to_id: replyTo?.message, mention_ids: mentions?.map(({ id }) => id) },
        },
        key,
      ),
    edit: (message, content, mentions) =>
      request('message_edited', { ...about(message), content, mention_ids: mentions?.map(({ id }) => id) }),
    delete: (message) => request('message_deleted', about(message)),
    type: (conversation, typing) => request('typing', { session_id: conversation, typing }),
    read: (message) => request('message_read', about(message)),
    react: (message, reaction) => request('reaction_added', { ...about(message), reaction }),
    unreact: (message, reaction) => request('reaction_removed', { ...about(message), reaction }),
    cut: () => legacy.socket.terminate(),
  }
}

const EVENTS = `subscription ($after: ID) {
  events(after: $after) {
    __typename
    id
    ... on MessageSent { message { ...Sent } }
    ... on MessageEdited { message { ...Sent } }
    ... on MessageDeleted { messageId conversationId deletedById }
    ... on ConversationRead { conversationId readUpTo unreadCount }
    ... on MessageRead { messageId readerId }
    ... on ReactionAdded { messageId userId reaction reactionUserIds }
    ... on ReactionRemoved { messageId userId reaction reactionUserIds }
    ... on TypingChanged { conversationId user { id } typing }
    ... on OnlineStatusChanged { userId online }
    ... on GroupUpdated { group { id name memberCount } }
    ... on MemberJoined { groupId user { id } memberCount }
    ... on MemberLeft { groupId user { id } memberCount }
    ... on NotificationReceived { notification { notificationType data } }
    ... on UserUpdated { user { id name avatar } }
    ... on BlockChanged { user { id } blocked }
  }
}
fragment Sent on Message { id content sender { id } conversation { id group { id } } replyToId mentions { id } }`

const GRAPHQL_KINDS: Record<string, (event: Data) => Omit<Happening, 'id'>> = {
  MessageSent: ({ message }) => ({ kind: 'message_sent', ...messageOf(message) }),
  MessageEdited: ({ message }) => ({ kind: 'message_edited', ...messageOf(message) }),
  MessageDeleted: ({ messageId, conversationId, deletedById }) => ({
    kind: 'message_deleted',
    conversation: conversationId,
    message: Number(messageId),
    user: Number(deletedById),
  }),
  ConversationRead: ({ conversationId, readUpTo, unreadCount }) => ({
    kind: 'conversation_read',
    conversation: conversationId,
    message: Number(readUpTo),
    unread: unreadCount,
  }),
  MessageRead: ({ messageId, readerId }) => ({ kind: 'message_read', message: Number(messageId), user: Number(readerId) }),
  ReactionAdded: (event) => ({ kind: 'reaction_added', ...reactionOf(event) }),
  ReactionRemoved: (event) => ({ kind: 'reaction_removed', ...reactionOf(event) }),
  TypingChanged: ({ conversationId, user, typing }) => ({
    kind: 'typing',
    conversation: conversationId,
    user: Number(user.id),
    typing,
  }),
  OnlineStatusChanged: ({ userId, online }) => ({ kind: 'presence', user: Number(userId), online }),
  GroupUpdated: ({ group: { id, name, memberCount } }) => ({
    kind: 'group_updated',
    group: Number(id),
    name,
    members: memberCount,
  }),
  MemberJoined: (event) => ({ kind: 'member_joined', ...membershipOf(event) }),
  MemberLeft: (event) => ({ kind: 'member_left', ...membershipOf(event) }),
  NotificationReceived: ({ notification: { notificationType, data } }) => ({
    kind: 'notification',
    type: notificationType,
    data,
  }),
  UserUpdated: ({ user: { id, name, avatar } }) => ({ kind: 'user_updated', user: Number(id), name, avatar }),
  BlockChanged: ({ user, blocked }) => ({ kind: 'block_changed', user: Number(user.id), blocked }),
  ResumeIncomplete: () => ({ kind: 'resume_incomplete' }),
}

const messageOf = ({ id, content, sender, conversation, replyToId, mentions }: Data) => ({
  conversation: conversation.id,
  message: Number(id),
  user: Number(sender.id),
  text: content,
  ...(conversation.group ? { group: Number(conversation.group.id) } : {}),
  ...quotesOf(
    replyToId === null ? null : Number(replyToId),
    mentions.map((mentioned: Data) => Number(mentioned.id)),
  ),
})

const reactionOf = ({ messageId, userId, reaction, reactionUserIds }: Data) => ({
  message: Number(messageId),
  user: Number(userId),
  reaction,
  users: reactionUserIds.map(Number),
})

const membershipOf = ({ groupId, user, memberCount }: Data) => ({
  group: Number(groupId),
  user: Number(user.id),
  members: memberCount,
})

async function connectGraphql(
  over: GraphqlClient,
  cut: (subscription: { close(): void }) => void,
  app: TestApp,
  user: TestUser,
  after?: string,
): Promise<ChatClient> {
  const { client, receive, opened } = createReceived(app, user)
  const subscription = await over.subscribe(EVENTS, after === undefined ? {} : { after }, { untilOpen: false })
  subscription.inbox.divert(({ data, errors }: Result) => {
    if (errors) return false
    const { __typename, id, ...event } = data.events
    const read = GRAPHQL_KINDS[__typename]
    if (!read) throw new Error(`no kind for ${__typename}`)
    const { kind, ...about } = read(event)
    receive({ kind, id, ...about })
    return true
  })
  await opened(subscription)

  async function request(fields: string, variables: Record<string, unknown>): Promise<void> {
    const { errors } = await over.run(`mutation (${fields}`, variables)
    if (errors?.[0]) throw new Refusal(errors[0].extensions.code, errors[0].message)
  }
  return {
    ...client,
    send: (target, content, key = randomUUID(), { replyTo, mentions } = {}) =>
      request('$input: SendMessageInput!) { sendMessage(input: $input) { id } }', {
        input: {
          ...('to' in target ? { receiverId: String(target.to.id) } : { conversationId: target.group }),
          content,
          clientMessageId: key,
          replyToId: replyTo?.message,
          mentionIds: mentions?.map(({ id }) => id),
        },
      }),
    edit: ({ message }, content, mentions) =>
      request('$input: EditMessageInput!) { editMessage(input: $input) { id } }', {
        input: { messageId: message, content, mentionIds: mentions?.map(({ id }) => id) },
      }),
    delete: ({ message }) => request('$id: ID!) { deleteMessage(messageId: $id) { id } }', { id: message }),
    type: (id, typing) =>
      request('$id: ID!, $typing: Boolean!) { setTyping(conversationId: $id, typing: $typing) }', { id, typing }),
    read: ({ message }) => request('$id: ID!) { markMessageRead(messageId: $id) { readAt } }', { id: String(message) }),
    react: ({ message }, reaction) =>
      request('$id: ID!, $reaction: String!) { addReaction(messageId: $id, reaction: $reaction) { count } }', {
        id: String(message),
        reaction,
      }),
    unreact: ({ message }, reaction) =>
      request('$id: ID!, $reaction: String!) { removeReaction(messageId: $id, reaction: $reaction) { count } }', {
        id: String(message),
        reaction,
      }),
    cut: () => cut(subscription),
  }
}

export const LEGACY: Transport = {
  name: 'legacy sockets',
  isSocket: true,
  connect: (app, user, after) => connectLegacy(app, user, after, 'header'),
}

export const GRAPHQL_WS: Transport = {
  name: 'graphql-ws',
  isSocket: true,
  async connect(app, user, after) {
    const over = app.graphqlWs(user)
    return await connectGraphql(over, () => over.client.terminate(), app, user, after)
  },
}

export const SSE: Transport = {
  name: 'HTTP with SSE',
  isSocket: false,
  connect: (app, user, after) => connectGraphql(app.over(user), (subscription) => subscription.close(), app, user, after),
}

/** Legacy sockets that resume with a frame while they run, instead of at the handshake. */
export const LEGACY_FRAME: Transport = {
  name: 'legacy sockets, resuming with a frame',
  isSocket: true,
  connect: (app, user, after) => connectLegacy(app, user, after, 'frame'),
}

/** Legacy sockets of clients that asked for everything. */
export const LEGACY_CAPABLE: Transport = {
  name: 'legacy sockets with capabilities',
  isSocket: true,
  connect: (app, user, after) => connectLegacy(app, user, after, 'header', 'edits, replies, reads'),
}

export const TRANSPORTS = [LEGACY, GRAPHQL_WS, SSE]

/** The code that a request was refused with, or OK. */
export const codeOf = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'OK',
    (error: unknown) => (error instanceof Refusal ? error.code : String(error)),
  )

/** What each of the clients received since the last call, without the ids in the log. */
export const told = <K extends string>(clients: Record<K, ChatClient>): Promise<Record<K, Omit<Happening, 'id'>[]>> =>
  eachOf(clients, async (client) => (await client.settle()).map((happening) => ({ ...happening, id: undefined })))

export const textsOf = (happenings: readonly Happening[]): (string | undefined)[] => happenings.map(({ text }) => text)
export const idsOf = (happenings: readonly Happening[]): number[] => happenings.map(({ id }) => Number(id))
export const ascending = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b)
