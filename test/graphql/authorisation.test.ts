import { readFileSync } from 'node:fs'
import { Kind, parse, type ObjectTypeDefinitionNode } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { connectGraphqlWs, connectHttp, type Data, type GraphqlClient } from '../support/graphql-client.ts'

/**
 * Who may do what, for every field of the schema that can be asked for by itself, and for every field that is not the same
 * for all viewers. A new one without a rule here fails the first test.
 */

/** What there is in the world of these tests. */
interface World {
  /** Owner of the group, and who wrote to bob. */
  ann: TestUser
  bob: TestUser
  /** Was in the group, and was removed. */
  gone: TestUser
  /** In nothing. */
  eve: TestUser
  /** Blocked by ann, with whom they share a group and a direct conversation. */
  foe: TestUser
  group: string
  conversation: string
  direct: string
  groupMessage: string
  directMessage: string
  /** Ann's. */
  notification: string
}

type Outcome = 'ok' | 'null' | 'FORBIDDEN' | 'NOT_FOUND' | 'BAD_USER_INPUT'
interface Rule {
  /** The field as it is asked for. */
  ask: (world: World) => string
  /** Of one who is a stranger to what is asked for, of one who was removed from it, of a user who is no admin. */
  stranger: Outcome
  removed?: Outcome
}

const rule = (ask: Rule['ask'], stranger: Outcome, removed = stranger): Rule => ({ ask, stranger, removed })
/** Concerns only the viewer, so no one else's exists. */
const own = (ask: Rule['ask']): Rule => rule(ask, 'ok')
const ADMIN_RULES = new Set<Rule['ask']>()
const admins = (ask: Rule['ask']): Rule => {
  ADMIN_RULES.add(ask)
  return rule(ask, 'FORBIDDEN')
}

const QUERIES: Record<string, Rule> = {
  viewer: own(() => 'viewer { id }'),
  cursor: own(() => 'cursor'),
  // Everyone may see who a user is.
  user: own(({ ann }) => `user(id: "${ann.id}") { id }`),
  conversations: own(() => 'conversations { edges { node { id } } }'),
  conversation: rule(({ conversation }) => `conversation(id: "${conversation}") { id }`, 'null'),
  message: rule(({ groupMessage }) => `message(id: "${groupMessage}") { id }`, 'null'),
  // Everyone may see that there is a group, so as to join it; not what is in it, see below.
  group: own(({ group }) => `group(id: "${group}") { id }`),
  notifications: own(() => 'notifications { edges { node { id } } }'),
  searchMessages: rule(
    ({ conversation }) => `searchMessages(text: "hi", conversationId: "${conversation}") { edges { node { id } } }`,
    'NOT_FOUND',
  ),
  blockedUsers: own(() => 'blockedUsers { edges { node { id } } }'),
  cluster: admins(() => 'cluster { nodes { id } }'),
  connections: admins(({ ann }) => `connections(userId: "${ann.id}") { id }`),
  topic: admins(({ ann }) => `topic(id: "user:${ann.id}") { id }`),
  users: admins(() => 'users { edges { node { id } } }'),
  conversationsOf: admins(({ ann }) => `conversationsOf(userId: "${ann.id}") { edges { node { id } } }`),
  groups: admins(() => 'groups { edges { node { id } } }'),
  reports: admins(() => 'reports { edges { node { id } } }'),
  auditLog: admins(() => 'auditLog { edges { node { id } } }'),
  statistics: admins(() => 'statistics { date }'),
}

const MUTATIONS: Record<string, Rule> = {
  sendMessage: rule(
    ({ conversation }) => `sendMessage(input: { conversationId: "${conversation}", content: "x" }) { id }`,
    'FORBIDDEN',
  ),
  editMessage: rule(
    ({ groupMessage }) => `editMessage(input: { messageId: "${groupMessage}", content: "theirs" }) { id }`,
    'NOT_FOUND',
  ),
  deleteMessage: rule(({ groupMessage }) => `deleteMessage(messageId: "${groupMessage}") { id }`, 'NOT_FOUND'),
  setTyping: rule(({ conversation }) => `setTyping(conversationId: "${conversation}", typing: true)`, 'FORBIDDEN'),
  markMessageRead: rule(({ groupMessage }) => `markMessageRead(messageId: "${groupMessage}") { readAt }`, 'NOT_FOUND'),
  markConversationRead: rule(
    ({ conversation, groupMessage }) =>
      `markConversationRead(conversationId: "${conversation}", upToMessageId: "${groupMessage}")`,
    'NOT_FOUND',
  ),
  markConversationUnread: rule(
    ({ conversation, groupMessage }) =>
      `markConversationUnread(conversationId: "${conversation}", fromMessageId: "${groupMessage}")`,
    'NOT_FOUND',
  ),
  updateConversationSettings: rule(
    ({ conversation }) => `updateConversationSettings(conversationId: "${conversation}", input: { pinned: true }) { id }`,
    'NOT_FOUND',
  ),
  addReaction: rule(({ groupMessage }) => `addReaction(messageId: "${groupMessage}", reaction: "👍") { count }`, 'NOT_FOUND'),
  removeReaction: rule(
    ({ groupMessage }) => `removeReaction(messageId: "${groupMessage}", reaction: "👍") { count }`,
    'NOT_FOUND',
  ),
  createGroup: own(() => 'createGroup(input: { name: "mine" }) { id }'),
  updateGroup: rule(({ group }) => `updateGroup(groupId: "${group}", input: { name: "theirs" }) { id }`, 'FORBIDDEN'),
  // Last, since it makes the stranger one who is no stranger.
  joinGroup: own(({ group }) => `joinGroup(groupId: "${group}")`),
  decideJoinRequest: rule(
    ({ group, eve }) => `decideJoinRequest(groupId: "${group}", userId: "${eve.id}", approve: true) { id }`,
    'FORBIDDEN',
  ),
  inviteToGroup: rule(({ group, eve }) => `inviteToGroup(groupId: "${group}", userIds: ["${eve.id}"]) { id }`, 'FORBIDDEN'),
  leaveGroup: rule(({ group }) => `leaveGroup(groupId: "${group}")`, 'FORBIDDEN'),
  removeGroupMember: rule(({ group, bob }) => `removeGroupMember(groupId: "${group}", userId: "${bob.id}") { id }`, 'FORBIDDEN'),
  setGroupRole: rule(
    ({ group, bob }) => `setGroupRole(groupId: "${group}", userId: "${bob.id}", role: ADMIN) { id }`,
    'FORBIDDEN',
  ),
  // Everyone may block anyone.
  blockUser: own(({ foe }) => `blockUser(userId: "${foe.id}") { id }`),
  unblockUser: own(({ foe }) => `unblockUser(userId: "${foe.id}") { id }`),
  markNotificationRead: rule(({ notification }) => `markNotificationRead(id: "${notification}") { id }`, 'NOT_FOUND'),
  pushNewMessage: admins(({ groupMessage }) => `pushNewMessage(messageId: "${groupMessage}", isGroup: true)`),
  pushGroupUpdate: admins(({ group }) => `pushGroupUpdate(groupId: "${group}")`),
  pushMemberJoined: admins(({ group, bob }) => `pushMemberJoined(groupId: "${group}", userId: "${bob.id}")`),
  pushMemberLeft: admins(({ group, bob }) => `pushMemberLeft(groupId: "${group}", userId: "${bob.id}")`),
  pushSystemNotification: admins(({ ann }) => `pushSystemNotification(notificationType: "x", data: {}, userIds: ["${ann.id}"])`),
  upsertUser: admins(({ ann }) => `upsertUser(id: "${ann.id}", name: "other") { id }`),
  reportMessage: rule(({ groupMessage }) => `reportMessage(messageId: "${groupMessage}", reason: "x") { id }`, 'NOT_FOUND'),
  resolveReport: admins(() => 'resolveReport(id: "1", status: ACTED) { id }'),
  banUser: admins(({ ann }) => `banUser(userId: "${ann.id}", reason: "x") { id }`),
  unbanUser: admins(({ ann }) => `unbanUser(userId: "${ann.id}") { id }`),
  muteGroupMember: rule(({ group, bob }) => `muteGroupMember(groupId: "${group}", userId: "${bob.id}") { role }`, 'FORBIDDEN'),
  deleteMessagesOf: admins(({ ann }) => `deleteMessagesOf(userId: "${ann.id}", since: "2020-01-01T00:00:00Z")`),
  eraseUser: admins(({ ann }) => `eraseUser(userId: "${ann.id}")`),
  // Of the viewer's own connection; over a single request there is none.
  refreshToken: rule(() => 'refreshToken(token: "x")', 'BAD_USER_INPUT'),
  disconnectUser: admins(({ ann }) => `disconnectUser(userId: "${ann.id}")`),
}

const SUBSCRIPTIONS: Record<string, Rule> = {
  events: own(() => 'events { id }'),
  conversationEvents: rule(({ conversation }) => `conversationEvents(conversationId: "${conversation}") { id }`, 'NOT_FOUND'),
  messageSent: rule(({ conversation }) => `messageSent(conversationId: "${conversation}") { id }`, 'NOT_FOUND'),
  typing: rule(({ conversation }) => `typing(conversationId: "${conversation}") { typing }`, 'NOT_FOUND'),
  onlineStatus: own(() => 'onlineStatus { online }'),
  notificationReceived: own(() => 'notificationReceived { id }'),
  activity: admins(({ ann }) => `activity(userId: "${ann.id}") { name }`),
}

/** What those see of a group who are not in it. */
const GROUP_FIELDS: Record<string, string> = {
  'Group.conversation': 'conversation { id }',
  'Group.announcement': 'announcement',
  'Group.members': 'members { edges { node { role } } }',
  'Group.joinRequests': 'joinRequests { id }',
}
/** What a blocked pair does not see of each other. */
const USER_FIELDS: Record<string, unknown> = { 'User.online': false, 'User.lastActive': null }
/** What is in a conversation: authorisation-paths.test.ts walks every way to one. */
const CONVERSATION_FIELDS = [
  'lastMessage',
  'members',
  'messages',
  'readUpTo',
  'settings',
  'unreadCount',
  'unreadMentionCount',
].map((field) => `Conversation.${field}`)

/** And what hangs on a message. */
const MESSAGE_FIELDS = ['Message.replies']
/** What only admins see of what others reach too; authorisation-paths.test.ts knows what of it. */
const ADMIN_FIELDS = [
  'User.bannedUntil',
  'User.createdAt',
  'Report.message',
  'Report.note',
  'Report.resolvedBy',
  'GroupMember.mutedUntil',
]

const schema = parse(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'))
const objectTypes = schema.definitions.filter(
  (node): node is ObjectTypeDefinitionNode => node.kind === Kind.OBJECT_TYPE_DEFINITION,
)
const fieldsOf = (type: string): string[] =>
  objectTypes.find(({ name }) => name.value === type)?.fields?.map(({ name }) => name.value) ?? []
const marked = objectTypes.flatMap(({ name, fields = [] }) =>
  fields
    .filter(({ directives }) => directives?.some((directive) => directive.name.value === 'viewerDependent'))
    .map((field) => `${name.value}.${field.name.value}`),
)

test('every field of the schema that needs a rule has one', () => {
  expect(Object.keys(QUERIES).toSorted()).toEqual(fieldsOf('Query').toSorted())
  expect(Object.keys(MUTATIONS).toSorted()).toEqual(fieldsOf('Mutation').toSorted())
  expect(Object.keys(SUBSCRIPTIONS).toSorted()).toEqual(fieldsOf('Subscription').toSorted())
  const viewerDependent = [
    ...Object.keys(GROUP_FIELDS),
    ...Object.keys(USER_FIELDS),
    ...CONVERSATION_FIELDS,
    ...MESSAGE_FIELDS,
    ...ADMIN_FIELDS,
  ]
  expect(viewerDependent.toSorted()).toEqual(marked.toSorted())
})

test('the table in docs/admin.md gives admins alone what the matrix does', () => {
  const text = readFileSync(new URL('../../docs/admin.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| (`[^|]*) \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm)]
  const fieldsOnly = (which: (row: RegExpMatchArray) => boolean): string[] =>
    rows.filter(which).flatMap(([, names = '']) => [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => name))
  const isYes = (cell: string | undefined): boolean => cell?.trim() === 'yes'
  const adminsOnly = fieldsOnly(
    ([, names, member, admin, owner]) => !names?.includes(' of ') && ![member, admin, owner].some(isYes),
  )
  const isForAdmins = ([, { ask, stranger }]: [string, Rule]): boolean => stranger === 'FORBIDDEN' && ADMIN_RULES.has(ask)
  const inMatrix = [QUERIES, MUTATIONS, SUBSCRIPTIONS].flatMap((rules) =>
    Object.entries(rules)
      .filter(isForAdmins)
      .map(([name]) => name),
  )
  expect(adminsOnly.toSorted()).toEqual(inMatrix.toSorted())
})

let app: TestApp
let world: World
beforeAll(async () => {
  app = await startApp()
  const [ann, bob, gone, eve] = [await app.user('Ann'), await app.user('Bob'), await app.user('Gone'), await app.user('Eve')]
  const foe = await app.user('Foe')
  const byAnn = app.over(ann)
  const members = [bob, gone].map(({ id }) => String(id))
  const { createGroup } = await byAnn.data(
    'mutation ($ids: [ID!]!) { createGroup(input: { name: "G", memberIds: $ids, announcement: "a" }) { id conversation { id } } }',
    { ids: members },
  )
  const send = async (input: object): Promise<string> => {
    const data = await byAnn.data('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }', { input })
    return data.sendMessage.id as string
  }
  const conversation = createGroup.conversation.id as string
  const groupMessage = await send({ conversationId: conversation, content: 'to the group' })
  const directMessage = await send({ receiverId: String(bob.id), content: 'to bob' })
  await byAnn.data(`mutation { removeGroupMember(groupId: "${createGroup.id}", userId: "${gone.id}") { id } }`)
  await app.admin.data(`mutation { pushSystemNotification(notificationType: "t", data: {}, userIds: ["${ann.id}"]) }`)
  const { notifications } = await byAnn.data('{ notifications { edges { node { id } } } }')
  const notification = notifications.edges[0].node.id as string
  await send({ receiverId: String(foe.id), content: 'to the foe' })
  await byAnn.data(
    `mutation { createGroup(input: { name: "With the foe", memberIds: ["${bob.id}", "${foe.id}"] }) { id } blockUser(userId: "${foe.id}") { id } }`,
  )
  const direct = `direct_${ann.id}_${bob.id}`
  world = { ann, bob, gone, eve, foe, group: createGroup.id, conversation, direct, groupMessage, directMessage, notification }
})
afterAll(() => app.stop())

const outcomeOf = (
  { data, errors }: { data?: Data; errors?: readonly { extensions: { code: string } }[] },
  field: string,
): string => {
  if (errors?.[0]) return errors[0].extensions.code
  return data[field] === null ? 'null' : 'ok'
}

const sockets = new Map<TestUser, GraphqlClient>()
/** One for each user: there is a limit. */
function socketOf(user: TestUser): GraphqlClient {
  const found = sockets.get(user) ?? app.graphqlWs(user)
  sockets.set(user, found)
  return found
}
const TRANSPORTS: [string, (user: TestUser) => GraphqlClient][] = [
  ['HTTP', (user) => app.over(user)],
  ['graphql-ws', socketOf],
]

describe.each(TRANSPORTS)('over %s', (_, over) => {
  const isSocket = over === TRANSPORTS[1]?.[1]

  describe.each([
    ['a stranger', 'eve', 'stranger'],
    ['a removed member', 'gone', 'removed'],
  ] as const)('%s', (__, who, which) => {
    test.each(Object.keys(QUERIES))('query %s', async (field) => {
      const { ask, [which]: expected } = QUERIES[field] as Rule
      expect(outcomeOf(await over(world[who]).run(`{ ${ask(world)} }`), field)).toBe(expected)
    })

    const doing = Object.keys(MUTATIONS).filter((field) => field !== 'joinGroup')
    test.each(doing)('mutation %s', async (field) => {
      const { ask, [which]: rules } = MUTATIONS[field] as Rule
      const expected = field === 'refreshToken' && isSocket ? 'UNAUTHENTICATED' : rules
      expect(outcomeOf(await over(world[who]).run(`mutation { ${ask(world)} }`), field)).toBe(expected)
    })

    test.each(Object.keys(SUBSCRIPTIONS))('subscription %s', async (field) => {
      const { ask, [which]: expected } = SUBSCRIPTIONS[field] as Rule
      const subscription = await over(world[who]).subscribe(`subscription { ${ask(world)} }`)
      if (expected !== 'ok') return expect(await subscription.ended).toMatchObject([{ extensions: { code: expected } }])
      subscription.close()
    })

    test('sees of the group that there is one, and nothing of what is in it', async () => {
      const fields = Object.values(GROUP_FIELDS).join(' ')
      const { group } = await over(world[who]).data(`{ group(id: "${world.group}") { name memberCount ${fields} } }`)
      expect(group).toEqual({
        name: 'G',
        memberCount: 2,
        conversation: null,
        announcement: null,
        members: null,
        joinRequests: null,
      })
    })

    test('sees nothing of a direct conversation of others, by whatever way', async () => {
      const client = over(world[who])
      const { direct, directMessage } = world
      expect(await client.data(`{ conversation(id: "${direct}") { id } message(id: "${directMessage}") { id } }`)).toEqual({
        conversation: null,
        message: null,
      })
      const { conversations } = await client.data('{ conversations { edges { node { id } } } }')
      expect(JSON.stringify(conversations)).not.toContain(direct)
      for (const mutation of [
        `sendMessage(input: { conversationId: "${direct}", content: "x" }) { id }`,
        `markMessageRead(messageId: "${directMessage}") { readAt }`,
        `addReaction(messageId: "${directMessage}", reaction: "👍") { count }`,
        `editMessage(input: { messageId: "${directMessage}", content: "x" }) { id }`,
        `deleteMessage(messageId: "${directMessage}") { id }`,
        `setTyping(conversationId: "${direct}", typing: true)`,
      ]) {
        const { errors } = await client.run(`mutation { ${mutation} }`)
        expect(errors?.[0]?.extensions.code).toMatch(/^(FORBIDDEN|NOT_FOUND)$/)
      }
    })
  })
})

describe('a blocked pair', () => {
  const PRESENCE = 'node { id online lastActive }'
  const EVERYWHERE = `{
    ann: user(id: "$ann") { id online lastActive } foe: user(id: "$foe") { id online lastActive }
    blockedUsers { edges { ${PRESENCE} } }
    conversations { edges { node {
      members { edges { ${PRESENCE} } }
      lastMessage { sender { id online lastActive } }
      group { members { edges { node { user { id online lastActive } } } } }
    } } }
  }`

  /** Every user with presence in an answer. */
  const usersIn = (value: Data): { id: string; online: boolean; lastActive: string | null }[] => {
    if (typeof value !== 'object' || value === null) return []
    return 'online' in value ? [value] : Object.values(value).flatMap(usersIn)
  }

  test('sees no presence of each other, by whatever way, and others see both', async () => {
    const { ann, bob, foe } = world
    // Online, and known as such by what is shown to others.
    const sockets = [ann, foe].map((user) => app.graphqlWs(user))
    for (const socket of sockets) await socket.data('{ viewer { online } }')
    const text = EVERYWHERE.replace('$ann', String(ann.id)).replace('$foe', String(foe.id))
    const seenBy = async (viewer: TestUser, of: TestUser): Promise<unknown[]> =>
      usersIn(await app.over(viewer).data(text)).filter(({ id }) => id === String(of.id))
    await expect
      .poll(() => seenBy(bob, foe))
      .toContainEqual(expect.objectContaining({ online: true, lastActive: expect.any(String) }))
    for (const [viewer, of] of [
      [ann, foe],
      [foe, ann],
    ] as const) {
      const seen = await seenBy(viewer, of)
      expect(seen.length).toBeGreaterThan(2)
      for (const user of seen) expect(user).toEqual({ id: String(of.id), online: false, lastActive: null })
    }
    expect(await seenBy(ann, ann)).toContainEqual(expect.objectContaining({ online: true }))
    expect(await seenBy(bob, ann)).toContainEqual(expect.objectContaining({ online: true }))
  })
})

describe('without a good token', () => {
  const all = [
    ...Object.entries(QUERIES).map(([field, { ask }]) => [`query ${field}`, ask, (text: string) => `{ ${text} }`] as const),
    ...Object.entries(MUTATIONS).map(
      ([field, { ask }]) => [`mutation ${field}`, ask, (text: string) => `mutation { ${text} }`] as const,
    ),
    ...Object.entries(SUBSCRIPTIONS).map(
      ([field, { ask }]) => [`subscription ${field}`, ask, (text: string) => `subscription { ${text} }`] as const,
    ),
  ]
  test.each(all)('%s is 401 over HTTP and SSE, with none and with one that has expired', async (_, ask, whole) => {
    const query = whole(ask(world))
    const expired = `Bearer ${tokenOf({ userId: world.ann.id, ttlSeconds: -1, isAdmin: true })}`
    for (const headers of [{}, { authorization: expired }]) {
      for (const accept of ['application/json', 'text/event-stream']) {
        const body = JSON.stringify({ query })
        const response = await fetch(app.graphqlUrl, {
          method: 'POST',
          headers: { ...headers, accept, 'content-type': 'application/json' },
          body,
        })
        expect([response.status, ((await response.json()) as Data).errors[0].extensions.code]).toEqual([401, 'UNAUTHENTICATED'])
      }
    }
  })

  test('a WebSocket is closed with 4403 before anything can be asked', async () => {
    const token = tokenOf({ userId: world.ann.id, ttlSeconds: -1, isAdmin: true })
    const { client, close } = connectGraphqlWs(app.graphqlUrl.replace('http', 'ws'), token)
    expect(await new Promise((resolve) => client.on('closed', resolve))).toMatchObject({ code: 4403 })
    await close()
  })

  test('being an admin is said by the token, and by nothing else', async () => {
    const claims = { userId: world.eve.id, name: 'Eve' }
    const admin = connectHttp(app.graphqlUrl, tokenOf({ ...claims, isAdmin: true }))
    expect((await admin.run('{ cluster { nodes { id } } }')).errors).toBeUndefined()
    expect((await connectHttp(app.graphqlUrl, tokenOf(claims)).run('{ cluster { nodes { id } } }')).errors).toHaveLength(1)
  })
})
