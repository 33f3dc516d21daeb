import { readFileSync } from 'node:fs'
import { Kind, parse, type ObjectTypeDefinitionNode } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { MUTATIONS, QUERIES, SUBSCRIPTIONS, type Rule, type World } from '../support/authorisation-rules.ts'
import { connectGraphqlWs, connectHttp, type Data, type GraphqlClient } from '../support/graphql-client.ts'

/**
 * Who may do what, for every field of the schema that can be asked for by itself, and for every field that is not the same
 * for all viewers. A new one without a rule in test/support/authorisation-rules.ts or here fails the first test.
 */

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

let app: TestApp
let world: World
beforeAll(async () => {
  app = await sharedApp()
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
