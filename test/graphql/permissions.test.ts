import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, type TestApp, type TestUser } from '../support/app.ts'
import { MUTATIONS, QUERIES, SUBSCRIPTIONS, type Rule, type World } from '../support/authorisation-rules.ts'
import { people, run, say } from '../support/people.ts'

/** What the four roles may do, each field of the schema asked for about one group and what others wrote there. */

const ROLES = ['member', 'group admin', 'group owner', 'admin'] as const
type Role = (typeof ROLES)[number]
/** In the order of the roles; the admin is not in the group. */
const ALL = 'yes yes yes yes'
const MEMBERS = 'yes yes yes no'
const HEADS = 'no yes yes no'
const HEADS_AND_ADMINS = 'no yes yes yes'
const ADMINS = 'no no no yes'
const NOBODY = 'no no no no'

/** In this order: what changes the world for those behind it comes last. */
const MAY: Record<string, string> = {
  viewer: ALL,
  cursor: ALL,
  user: ALL,
  conversations: ALL,
  conversation: ALL,
  message: ALL,
  group: ALL,
  notifications: ALL,
  searchMessages: MEMBERS,
  blockedUsers: ALL,
  cluster: ADMINS,
  connections: ADMINS,
  topic: ADMINS,
  users: ADMINS,
  conversationsOf: ADMINS,
  groups: ADMINS,
  reports: ADMINS,
  auditLog: ADMINS,
  statistics: ADMINS,
  events: ALL,
  conversationEvents: MEMBERS,
  messageSent: MEMBERS,
  typing: MEMBERS,
  onlineStatus: ALL,
  notificationReceived: ALL,
  activity: ADMINS,
  sendMessage: MEMBERS,
  setTyping: MEMBERS,
  markMessageRead: MEMBERS,
  markConversationRead: MEMBERS,
  markConversationUnread: MEMBERS,
  updateConversationSettings: MEMBERS,
  addReaction: MEMBERS,
  removeReaction: MEMBERS,
  reportMessage: MEMBERS,
  createGroup: ALL,
  blockUser: ALL,
  unblockUser: ALL,
  markNotificationRead: ALL,
  updateGroup: HEADS,
  decideJoinRequest: HEADS,
  inviteToGroup: MEMBERS,
  pushNewMessage: ADMINS,
  pushGroupUpdate: ADMINS,
  pushMemberJoined: ADMINS,
  pushMemberLeft: ADMINS,
  pushSystemNotification: ADMINS,
  upsertUser: ADMINS,
  resolveReport: ADMINS,
  // Of another one's message: nobody.
  editMessage: NOBODY,
  muteGroupMember: HEADS_AND_ADMINS,
  setGroupRole: 'no no yes no',
  deleteMessage: HEADS_AND_ADMINS,
  removeGroupMember: HEADS,
  // An owner hands the group on first.
  leaveGroup: 'yes yes no no',
  joinGroup: ALL,
  disconnectUser: ADMINS,
  deleteMessagesOf: ADMINS,
  banUser: ADMINS,
  unbanUser: ADMINS,
  eraseUser: ADMINS,
  // Of a connection's own token: over a request there is none.
  refreshToken: NOBODY,
}

const RULES: Record<string, Rule> = { ...QUERIES, ...MUTATIONS, ...SUBSCRIPTIONS }
const may = (field: string, role: Role): boolean => MAY[field]?.split(' ')[ROLES.indexOf(role)] === 'yes'

test('every field of the schema has its roles', () => {
  expect(Object.keys(MAY).toSorted()).toEqual(Object.keys(RULES).toSorted())
})

test('the table in docs/admin.md says what the matrix does', () => {
  const text = readFileSync(new URL('../../docs/admin.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| (`[^|]*) \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm)]
  const listed = new Set<string>()
  for (const [, names = '', ...cells] of rows) {
    const said = cells.map((cell) => (cell.trim() === 'yes' ? 'yes' : 'no')).join(' ')
    for (const [, field = ''] of names.matchAll(/`(\w+)`/g)) {
      listed.add(field)
      // Those of others have a row of their own: the matrix asks about the group, which the admin is not in.
      if (names.includes(' of others') && field !== 'deleteMessage' && field !== 'muteGroupMember') expect(said).toBe(ADMINS)
      else expect([field, said]).toEqual([field, MAY[field]])
    }
  }
  const special = Object.keys(MAY).filter((field) => ![ALL, MEMBERS, NOBODY].includes(MAY[field] as string))
  expect(special.filter((field) => !listed.has(field))).toEqual([])
})

let app: TestApp
beforeAll(async () => {
  app = await sharedApp()
})
afterAll(() => app.stop())

/** A group with the one who acts in the role, a plain member's message in it, and somebody who wants to join. */
async function worldOf(role: Role): Promise<{ world: World; actor: TestUser }> {
  const { ann, bob, gone, eve, foe, other } = await people(app, 'ann', 'bob', 'gone', 'eve', 'foe', 'other')
  const actor = { member: other, 'group admin': other, 'group owner': ann, admin: { ...other, isAdmin: true } }[role]
  const memberIds = [bob, gone, foe, ...(role === 'admin' ? [] : [other])].map(({ id }) => `"${id}"`).join()
  const { id: group, conversation } = await run(
    app,
    ann,
    `createGroup(input: { name: "G", joinApprovalRequired: true, memberIds: [${memberIds}] }) { id conversation { id } }`,
  )
  if (role === 'group admin') await run(app, ann, `setGroupRole(groupId: "${group}", userId: "${other.id}", role: ADMIN) { id }`)
  const groupMessage = String(await say(app, bob, conversation.id as string, 'hi'))
  const directMessage = String(await say(app, ann, bob, 'to bob'))
  await run(app, eve, `joinGroup(groupId: "${group}")`)
  await run(app, foe, `reportMessage(messageId: "${groupMessage}", reason: "x") { id }`)
  await app.admin.data(`mutation { pushSystemNotification(notificationType: "t", data: {}, userIds: ["${actor.id}"]) }`)
  const { notifications } = await app.over(actor).data('{ notifications(first: 1) { edges { node { id } } } }')
  const notification = notifications.edges[0].node.id as string
  const ids = { group, conversation: conversation.id as string, direct: `direct_${ann.id}_${bob.id}` }
  return { world: { ann, bob, gone, eve, foe, ...ids, groupMessage, directMessage, notification }, actor }
}

describe.each(ROLES)('a %s', (role) => {
  test('may do what the matrix says, and nothing else', async () => {
    const { world, actor } = await worldOf(role)
    const outcomes: Record<string, string> = {}
    const socket = app.graphqlWs(actor)
    for (const field of Object.keys(MAY)) {
      const text = (RULES[field] as Rule).ask(world)
      if (field in SUBSCRIPTIONS) {
        const subscription = await socket.subscribe(`subscription { ${text} }`)
        // A refusal comes before the answer to what was sent after it, which this waited for.
        const isOpen = new Promise((resolve) => setImmediate(resolve, 'yes'))
        outcomes[field] = (await Promise.race([subscription.ended.then(() => 'no'), isOpen])) as string
        subscription.close()
        continue
      }
      const { data, errors } = await app.over(actor).run(`${field in MUTATIONS ? 'mutation' : 'query'} { ${text} }`)
      outcomes[field] = errors || data?.[field] === null ? 'no' : 'yes'
    }
    const expected = Object.fromEntries(Object.keys(MAY).map((field) => [field, may(field, role) ? 'yes' : 'no']))
    expect(outcomes).toEqual(expected)
  })
})
