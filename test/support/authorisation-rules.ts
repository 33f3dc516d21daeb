import type { TestUser } from './app.ts'

/** What there is in the world of these tests. */
export interface World {
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
export interface Rule {
  /** The field as it is asked for. */
  ask: (world: World) => string
  /** Of one who is a stranger to what is asked for, of one who was removed from it, of a user who is no admin. */
  stranger: Outcome
  removed?: Outcome
}

const rule = (ask: Rule['ask'], stranger: Outcome, removed = stranger): Rule => ({ ask, stranger, removed })
/** Concerns only the viewer, so no one else's exists. */
const own = (ask: Rule['ask']): Rule => rule(ask, 'ok')
const admins = (ask: Rule['ask']): Rule => rule(ask, 'FORBIDDEN')

export const QUERIES: Record<string, Rule> = {
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

export const MUTATIONS: Record<string, Rule> = {
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

export const SUBSCRIPTIONS: Record<string, Rule> = {
  events: own(() => 'events { id }'),
  conversationEvents: rule(({ conversation }) => `conversationEvents(conversationId: "${conversation}") { id }`, 'NOT_FOUND'),
  messageSent: rule(({ conversation }) => `messageSent(conversationId: "${conversation}") { id }`, 'NOT_FOUND'),
  typing: rule(({ conversation }) => `typing(conversationId: "${conversation}") { typing }`, 'NOT_FOUND'),
  onlineStatus: own(() => 'onlineStatus { online }'),
  notificationReceived: own(() => 'notificationReceived { id }'),
  activity: admins(({ ann }) => `activity(userId: "${ann.id}") { name }`),
}
