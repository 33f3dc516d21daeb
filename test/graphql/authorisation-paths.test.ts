import { readFileSync } from 'node:fs'
import { buildSchema, type GraphQLObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, type TestApp, type TestUser } from '../support/app.ts'
import type { Data, GraphqlClient } from '../support/graphql-client.ts'
import { leavesOf, pathsFrom, selectionOf, type Step } from '../support/schema-paths.ts'

/**
 * Who reads what, by whatever way: every path of object types from every root field, four objects deep, three from a mutation,
 * generated from the schema, for viewers who stand differently to one group. What an object's field shows depends on the viewer
 * alone, not on the path.
 */

const DEPTH = 4
/** How many paths one operation takes, which may be only so large. */
const TOGETHER = 16
const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'))

/** Who reads a field of an object: everyone who has reached it, members of its group, the group's owner and admins, admins. */
type Readers = 'all' | 'members' | 'managers' | 'admins'
const everyField = (readers: Readers, ...types: string[]): Record<string, Readers> =>
  Object.fromEntries(
    types.flatMap((type) =>
      Object.keys((schema.getType(type) as GraphQLObjectType).getFields()).map((field) => [`${type}.${field}`, readers]),
    ),
  )

const EVENTS = schema.getPossibleTypes(schema.getType('Event') as never).map(({ name }) => name)

/** A rule for each field of each object type that a path can lead through. */
const READERS: Record<string, Readers> = {
  // Everyone may see who a user is.
  ...everyField('all', 'User'),
  'User.bannedUntil': 'admins',
  'User.createdAt': 'admins',
  // An event goes to the users it concerns; its content is theirs.
  ...everyField('all', ...EVENTS),
  // Reached by the viewer's own only, by members, or by admins.
  ...everyField('all', 'Notification', 'GroupMember', 'ConversationSettings', 'ReadReceipt', 'ReactionSummary'),
  'GroupMember.mutedUntil': 'managers',
  ...everyField('all', 'Report', 'AuditEntry', 'DayStatistics'),
  'Report.note': 'admins',
  'Report.resolvedBy': 'admins',
  ...everyField('all', 'Cluster', 'ClusterNode', 'ProtocolCount', 'ClientConnection', 'Topic', 'TopicOnNode', 'Activity'),
  'Conversation.id': 'all',
  'Conversation.isGroup': 'all',
  'Conversation.group': 'all',
  'Conversation.members': 'members',
  'Conversation.lastMessage': 'members',
  'Conversation.unreadCount': 'members',
  'Conversation.unreadMentionCount': 'members',
  'Conversation.readUpTo': 'members',
  'Conversation.settings': 'members',
  'Conversation.messages': 'members',
  'Message.id': 'all',
  'Message.conversation': 'all',
  'Message.sender': 'all',
  'Message.content': 'all',
  'Message.messageType': 'all',
  'Message.mediaUrl': 'all',
  'Message.timestamp': 'all',
  'Message.reactions': 'members',
  'Message.readBy': 'members',
  'Message.editedAt': 'all',
  'Message.deletedAt': 'all',
  'Message.deletedBy': 'all',
  'Message.replyTo': 'members',
  'Message.replyToId': 'all',
  'Message.replyCount': 'all',
  'Message.replies': 'members',
  'Message.mentions': 'all',
  'Message.mentionsAll': 'all',
  'Group.id': 'all',
  'Group.conversation': 'members',
  'Group.name': 'all',
  'Group.avatar': 'all',
  'Group.announcement': 'members',
  'Group.memberCount': 'all',
  'Group.members': 'members',
  'Group.joinApprovalRequired': 'all',
  'Group.allowInvitation': 'all',
  'Group.allowSendMessages': 'all',
  'Group.historyVisible': 'all',
  'Group.joinRequests': 'managers',
}

/** Wrappers of a page: its own nodes are what counts. */
const WRAPPER = /(?:Connection|Edge|PageInfo)$/

test('every field of every object type has a rule', () => {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
  const fields = Object.values(schema.getTypeMap()).flatMap((type) => {
    if (!('getFields' in type) || type.name.startsWith('__') || type.astNode?.kind !== 'ObjectTypeDefinition') return []
    if (roots.includes(type as GraphQLObjectType) || (WRAPPER.test(type.name) && type.name !== 'ClientConnection')) return []
    return Object.keys(type.getFields()).map((field) => `${type.name}.${field}`)
  })
  expect(Object.keys(READERS).toSorted()).toEqual(fields.toSorted())
})

interface World {
  owner: TestUser
  member: TestUser
  /** Was a member, sent and read, and was removed; the group went on without them. */
  former: TestUser
  /** Joined after all of that. */
  later: TestUser
  stranger: TestUser
  /** In nothing, and whom the others block. */
  outsider: TestUser
  /** In nothing, and reads everything by queries. */
  admin: TestUser
  group: string
  conversation: string
  /** From before the former member was removed, and from after it. */
  before: string
  after: string
  /** What each viewer's first message was stored with; none of the stranger. */
  sent: Record<string, { clientMessageId: string; content: string; id: string }>
  /** The owner's. */
  deleted: string
}
type Viewer = 'stranger' | 'former' | 'later' | 'member' | 'owner' | 'admin'
const VIEWERS: readonly Viewer[] = ['stranger', 'former', 'later', 'member', 'owner', 'admin']
const MEMBERS: readonly Viewer[] = ['later', 'member', 'owner']

let app: TestApp
let world: World
const sockets = new Map<Viewer, GraphqlClient>()

beforeAll(async () => {
  app = await startApp()
  const [owner, member, former] = [await app.user('Owner'), await app.user('Member'), await app.user('Former')]
  const [later, stranger, asking] = [await app.user('Later'), await app.user('Stranger'), await app.user('Asking')]
  const outsider = await app.user('Outsider')
  const byOwner = app.over(owner)
  const memberIds = [member, former].map(({ id }) => String(id))
  const { createGroup } = await byOwner.data(
    'mutation ($ids: [ID!]!) { createGroup(input: { name: "G", memberIds: $ids, announcement: "a secret" }) { id conversation { id } } }',
    { ids: memberIds },
  )
  const group = createGroup.id as string
  const conversationId = createGroup.conversation.id as string
  const send = async (user: TestUser, content: string, more: object = {}): Promise<string> => {
    const input = { conversationId, content, clientMessageId: `key of ${user.id}`, ...more }
    const data = await app
      .over(user)
      .data('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }', { input })
    return data.sendMessage.id as string
  }
  const use = async (user: TestUser, id: string): Promise<void> => {
    await app.over(user).data(`mutation { addReaction(messageId: "${id}", reaction: "👍") { count } }`)
    await app.over(user).data(`mutation { markMessageRead(messageId: "${id}") { readAt } }`)
  }
  const before = await send(former, 'of the former member')
  const question = await send(owner, 'a question', { clientMessageId: 'question' })
  await send(former, 'an answer', { clientMessageId: 'answer', replyToId: question, mentionIds: [String(owner.id)] })
  await use(member, before)
  await byOwner.data(`mutation { removeGroupMember(groupId: "${group}", userId: "${former.id}") { id } }`)
  await byOwner.data(`mutation { inviteToGroup(groupId: "${group}", userIds: ["${later.id}"]) { id } }`)
  const ofLater = await send(later, 'of the later member')
  const ofMember = await send(member, 'of the member')
  const after = await send(owner, 'of the owner')
  await send(later, 'another answer', { clientMessageId: 'another answer', replyToId: after })
  const deleted = await send(owner, 'a slip', { clientMessageId: 'a slip', replyToId: before })
  await byOwner.data(`mutation { deleteMessage(messageId: "${deleted}") { id } }`)
  await use(later, after)
  await byOwner.data(`mutation { updateGroup(groupId: "${group}", input: { joinApprovalRequired: true }) { id } }`)
  await app.over(asking).data(`mutation { joinGroup(groupId: "${group}") }`)
  const admin = { ...(await app.user('Admin')), isAdmin: true }
  for (const user of [owner, member, former, later, stranger, admin])
    await app.admin.data(`mutation { pushSystemNotification(notificationType: "t", data: {}, userIds: ["${user.id}"]) }`)
  const key = (user: TestUser, content: string, id: string) => ({ clientMessageId: `key of ${user.id}`, content, id })
  const sent = {
    former: key(former, 'of the former member', before),
    later: key(later, 'of the later member', ofLater),
    member: key(member, 'of the member', ofMember),
    owner: key(owner, 'of the owner', after),
  }
  const people = { owner, member, former, later, stranger, outsider, admin }
  world = { ...people, group, conversation: conversationId, before, after, sent, deleted }
  for (const viewer of VIEWERS) sockets.set(viewer, app.graphqlWs(world[viewer]))
})
afterAll(() => app.stop())

/** The queries and mutations whose answers are walked; these mutations change nothing when they are repeated. */
const ASK: Record<string, (viewer: Viewer) => string> = {
  'Query.viewer': () => 'viewer',
  'Query.user': () => `user(id: "${world.owner.id}")`,
  'Query.conversations': () => 'conversations(first: 2)',
  'Query.conversation': () => `conversation(id: "${world.conversation}")`,
  'Query.message': () => `message(id: "${world.after}")`,
  'Query.group': () => `group(id: "${world.group}")`,
  'Query.notifications': () => 'notifications(first: 5)',
  'Query.searchMessages': () => 'searchMessages(hasMedia: false, first: 5)',
  'Query.blockedUsers': () => 'blockedUsers(first: 5)',
  'Query.cluster': () => 'cluster',
  'Query.connections': () => `connections(userId: "${world.owner.id}")`,
  'Query.topic': () => `topic(id: "group:${world.group}")`,
  'Query.users': () => 'users(first: 2)',
  'Query.conversationsOf': () => `conversationsOf(userId: "${world.later.id}", first: 2)`,
  'Query.groups': () => 'groups(first: 2)',
  'Query.reports': () => 'reports(status: null, first: 2)',
  'Query.auditLog': () => 'auditLog(first: 2)',
  'Query.statistics': () => 'statistics',
  'Mutation.sendMessage': (viewer) => {
    const { clientMessageId = 'of a stranger', content = 'x' } = world.sent[viewer] ?? {}
    return `sendMessage(input: { conversationId: "${world.conversation}", clientMessageId: "${clientMessageId}", content: "${content}" })`
  },
  'Mutation.editMessage': (viewer) => {
    const { id = world.after, content = 'x' } = world.sent[viewer] ?? {}
    return `editMessage(input: { messageId: "${id}", content: "${content}" })`
  },
  'Mutation.deleteMessage': () => `deleteMessage(messageId: "${world.deleted}")`,
  'Mutation.updateConversationSettings': () => `updateConversationSettings(conversationId: "${world.conversation}", input: {})`,
  'Mutation.markMessageRead': () => `markMessageRead(messageId: "${world.before}")`,
  'Mutation.addReaction': () => `addReaction(messageId: "${world.after}", reaction: "👍")`,
  'Mutation.removeReaction': () => `removeReaction(messageId: "${world.after}", reaction: "👎")`,
  'Mutation.createGroup': () => 'createGroup(input: { name: "own" })',
  'Mutation.updateGroup': () => `updateGroup(groupId: "${world.group}", input: {})`,
  'Mutation.inviteToGroup': () => `inviteToGroup(groupId: "${world.group}", userIds: ["${world.member.id}"])`,
  'Mutation.decideJoinRequest': () =>
    `decideJoinRequest(groupId: "${world.group}", userId: "${world.member.id}", approve: false)`,
  'Mutation.removeGroupMember': () => `removeGroupMember(groupId: "${world.group}", userId: "${world.stranger.id}")`,
  'Mutation.setGroupRole': () => `setGroupRole(groupId: "${world.group}", userId: "${world.member.id}", role: MEMBER)`,
  'Mutation.blockUser': () => `blockUser(userId: "${world.outsider.id}")`,
  'Mutation.unblockUser': () => `unblockUser(userId: "${world.outsider.id}")`,
  'Mutation.markNotificationRead': () => 'markNotificationRead(id: "1")',
  // Refused, or a repeat that the first viewer made.
  'Mutation.reportMessage': () => `reportMessage(messageId: "${world.before}", reason: "x")`,
  'Mutation.resolveReport': () => 'resolveReport(id: "2147483647", status: ACTED)',
  'Mutation.banUser': (viewer) => `banUser(userId: "${viewer === 'admin' ? world.stranger.id : world.owner.id}", reason: "x")`,
  'Mutation.unbanUser': () => `unbanUser(userId: "${world.owner.id}")`,
  'Mutation.muteGroupMember': () => `muteGroupMember(groupId: "${world.group}", userId: "${world.member.id}", until: null)`,
  'Mutation.upsertUser': () => `upsertUser(id: "${world.owner.id}", name: "x")`,
}
/** Replayed from the log; the other subscriptions give live events of the same types to members alone. */
const REPLAYED: Record<string, () => string> = {
  events: () => 'events(after: "0")',
  conversationEvents: () => `conversationEvents(conversationId: "${world.conversation}", after: "0")`,
}
const LIVE = ['messageSent', 'typing', 'onlineStatus', 'notificationReceived', 'activity']

const rootsWithObjects = (type: GraphQLObjectType): string[] =>
  Object.keys(type.getFields()).filter((field) => pathsFrom(schema, type, field, 1).length > 0)

test('every root field that leads to an object is walked', () => {
  const { query, mutation, subscription } = {
    query: schema.getQueryType() as GraphQLObjectType,
    mutation: schema.getMutationType() as GraphQLObjectType,
    subscription: schema.getSubscriptionType() as GraphQLObjectType,
  }
  const walked = [...rootsWithObjects(query).map((f) => `Query.${f}`), ...rootsWithObjects(mutation).map((f) => `Mutation.${f}`)]
  expect(Object.keys(ASK).toSorted()).toEqual(walked.toSorted())
  expect([...Object.keys(REPLAYED), ...LIVE].toSorted()).toEqual(rootsWithObjects(subscription).toSorted())
})

/** What a field shows: 'nothing' for null, an empty list or page, or 0. */
function shows(value: unknown): 'nothing' | 'something' {
  if (value === null || value === 0) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'nothing' : 'something'
  const { edges, pinned } = value as { edges?: unknown[]; pinned?: boolean }
  // Settings of those who keep none.
  if (pinned === false) return 'nothing'
  return edges?.length === 0 ? 'nothing' : 'something'
}

function isReader(viewer: Viewer, readers: Readers, byQuery: boolean): boolean {
  if (readers === 'all') return true
  if (viewer === 'admin') return byQuery || readers === 'admins'
  return readers === 'members' ? MEMBERS.includes(viewer) : readers === 'managers' && viewer === 'owner'
}

/** Calls `see` with each field of the world's group, conversation and messages that an answer has along a path. */
function walk(value: Data, [step, ...rest]: readonly Step[], see: (name: string, value: unknown) => void): void {
  if (!step || value == null) return
  if (Array.isArray(value)) return value.forEach((item) => walk(item, [step, ...rest], see))
  const [wrapper, ...wraps] = step.wrap.filter((name) => !name.startsWith('...'))
  if (wrapper) return walk(value[wrapper], [{ ...step, wrap: wraps }, ...rest], see)
  if (value.__typename !== undefined && value.__typename !== step.type.name) return
  const ids: Record<string, string> = { Group: world.group, Conversation: world.conversation }
  const inWorld = step.type.name in ids ? value.id === ids[step.type.name] : true
  const fields = rest[0] ? [rest[0].field] : leavesOf(step.type)
  for (const field of fields) if (inWorld && field in value) see(`${step.type.name}.${field}`, value[field])
  if (rest[0]) walk(value[rest[0].field], rest, see)
}

/** Fields that may be empty though the viewer may read them. */
const MAY_BE_EMPTY = new Set([
  'User.bannedUntil',
  'Report.note',
  'Report.resolvedBy',
  'GroupMember.mutedUntil',
  'Conversation.unreadCount',
  'Conversation.unreadMentionCount',
  'Conversation.readUpTo',
  'Conversation.settings',
  'Conversation.lastMessage',
  'Message.reactions',
  'Message.readBy',
  'Message.replyTo',
  'Message.replies',
])

function check(viewer: Viewer, data: Data, path: readonly Step[], byQuery = false): number {
  let checked = 0
  const [{ field }] = path as [Step]
  walk(data?.[field], path, (name, value) => {
    const readers = READERS[name] as Readers
    if (readers === 'all') return
    checked++
    if (!isReader(viewer, readers, byQuery)) expect([viewer, name, shows(value)]).toEqual([viewer, name, 'nothing'])
    else if (!MAY_BE_EMPTY.has(name)) expect([viewer, name, shows(value)]).toEqual([viewer, name, 'something'])
  })
  return checked
}

const nameOf = (path: readonly Step[]): string => path.map(({ field, type }) => `${field}:${type.name}`).join(' > ')

/** The id of the last event that a replay of everything brings to a viewer. */
async function lastReplayedId(viewer: Viewer, field: string): Promise<string> {
  const legacy = await app.ready(world[viewer])
  legacy.send({ type: 'resume', data: { last_message_id: '0' } })
  await legacy.inbox.next(({ type }) => type === 'resume')
  const isIn = ({ data }: { data: unknown }): boolean => (data as { group_id?: number }).group_id === Number(world.group)
  const durable = legacy.inbox.drain().filter(({ message_id: id }) => id !== undefined)
  const pushes = field === 'events' ? durable : durable.filter(isIn)
  await legacy.close()
  return pushes.at(-1)?.message_id as string
}

describe.each(VIEWERS)('%s', (viewer) => {
  // The owner is here for what only managers read and do.
  const asked = Object.keys(ASK).filter((name) => viewer !== 'owner' || name === 'Query.group' || name.startsWith('Mutation'))
  test.each(asked)('%s', async (name) => {
    const [root, field] = name.split('.') as ['Query' | 'Mutation', string]
    const type = (root === 'Query' ? schema.getQueryType() : schema.getMutationType()) as GraphQLObjectType
    /** Asks along several paths at once, and along each of them alone where anything is refused. */
    const ask = async (paths: readonly Step[][]): Promise<Data> => {
      const text = `${root.toLowerCase()} { ${(ASK[name] as (viewer: Viewer) => string)(viewer)} ${selectionOf(paths)} }`
      const { data, errors = [] } = await (sockets.get(viewer) as GraphqlClient).run(text)
      if (errors.length > 0 && paths.length > 1) {
        const half = Math.ceil(paths.length / 2)
        await ask(paths.slice(0, half))
        await ask(paths.slice(half))
        return data
      }
      for (const { extensions, message } of errors)
        expect(['NOT_FOUND', 'FORBIDDEN'], `${paths.map(nameOf).join()}: ${message}`).toContain(extensions.code)
      for (const path of paths) check(viewer, data, path, root === 'Query')
      return data
    }
    const [first, ...paths] = pathsFrom(schema, type, field, viewer === 'owner' || root === 'Mutation' ? DEPTH - 1 : DEPTH)
    // Refused as a whole, whatever is selected.
    if (!(await ask([first as Step[]]))?.[field]) return
    while (paths.length > 0) await ask(paths.splice(0, TOGETHER))
  })

  // To others a conversation's events are NOT_FOUND, as the matrix of the root fields says.
  const replayed = Object.keys(REPLAYED).filter((field) => viewer !== 'owner' && (field === 'events' || viewer === 'later'))
  test.each(replayed)('replayed %s', async (field) => {
    const socket = sockets.get(viewer) as GraphqlClient
    const ask = (REPLAYED[field] as () => string)()
    const lastId = await lastReplayedId(viewer, field)
    const all = pathsFrom(schema, schema.getSubscriptionType() as GraphQLObjectType, field, DEPTH)
    for (let length = 1; length <= DEPTH; length++) {
      const paths = all.filter((path) => path.length === length)
      const selection = selectionOf(paths).replace('{', '{ id')
      const subscription = await socket.subscribe(`subscription { ${ask} ${selection} }`, {}, { untilOpen: false })
      for (let id; id !== lastId;) {
        const { data, errors } = await subscription.inbox.next()
        expect(errors).toBeUndefined()
        for (const path of paths) check(viewer, data, path)
        id = data[field].id as string
      }
      subscription.close()
    }
  })
})

describe('the walk itself', () => {
  test('reaches every field that is not for all, as a member', async () => {
    const seen = new Set<string>()
    const type = schema.getQueryType() as GraphQLObjectType
    for (const name of ['group', 'conversation', 'message'])
      for (const path of pathsFrom(schema, type, name, DEPTH)) {
        const text = `{ ${(ASK[`Query.${name}`] as (viewer: Viewer) => string)('owner')} ${selectionOf([path])} }`
        const { data } = await (sockets.get('owner') as GraphqlClient).run(text)
        walk(data[name], path, (field) => seen.add(field))
      }
    // What admins alone reach is seen by the admin above.
    const restricted = Object.keys(READERS).filter((field) => READERS[field] !== 'all' && !field.startsWith('Report.'))
    expect(restricted.filter((field) => !seen.has(field))).toEqual([])
  })
})

describe('a former member', () => {
  test('still gets the events of their time, with nothing of what came after in them', async () => {
    const subscription = await (sockets.get('former') as GraphqlClient).subscribe(
      `subscription { events(after: "0") { id ... on MessageSent { message { content reactions { reaction } readBy { readerId }
        conversation { lastMessage { content } members { edges { node { id } } } messages(first: 100) { edges { node { content } } } } } } } }`,
      {},
      { untilOpen: false },
    )
    const { data } = await subscription.inbox.next(({ data: event }) => event?.events?.message !== undefined)
    subscription.close()
    expect(data.events.message).toEqual({
      content: 'of the former member',
      reactions: [],
      readBy: [],
      conversation: { lastMessage: null, members: { edges: [] }, messages: { edges: [] } },
    })
  })

  test('gets NOT_FOUND for the history of a message sent again with its key', async () => {
    const { clientMessageId, content } = world.sent['former'] as { clientMessageId: string; content: string }
    const { data, errors } = await (sockets.get('former') as GraphqlClient).run(
      `mutation { sendMessage(input: { conversationId: "${world.conversation}", clientMessageId: "${clientMessageId}", content: "${content}" }) {
        conversation { messages { edges { node { content } } } } } }`,
    )
    expect([data ?? null, errors?.[0]?.extensions.code]).toEqual([null, 'NOT_FOUND'])
  })
})
