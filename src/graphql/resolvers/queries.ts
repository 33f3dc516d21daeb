import type { QueryResolvers } from '../generated/resolvers.ts'
import { parseBigId, parseIntId } from '../../ids.ts'
import { adminQueries } from './admin-queries.ts'
import { decodeCursor, isId, isTime, isUserId, pageSize, toPage } from '../pagination.ts'
import { conversationPage } from './conversation-page.ts'

const isBlockKey = (key: unknown): key is readonly [at: number, userId: number] =>
  Array.isArray(key) && key.length === 2 && isTime(key[0]) && isUserId(key[1])

export const queries: QueryResolvers = {
  ...adminQueries,

  viewer: (_root, _args, { viewer }) => ({ id: viewer.userId }),

  user: async (_root, { id }, { load }) => {
    const userId = parseIntId(id)
    return userId === undefined ? null : ((await load.user.load(userId)) ?? null)
  },

  conversations: (_root, { first, after, filter }, context) =>
    conversationPage(context, { userId: context.viewer.userId, filter: filter ?? 'ALL' }, first, after),

  conversation: async (_root, { id }, { read }) => (await read.conversation(id)) ?? null,

  message: async (_root, { id }, { read }) => {
    const messageId = parseBigId(id)
    return (messageId === undefined ? undefined : await read.message(messageId, 'message')) ?? null
  },

  group: async (_root, { id }, { load }) => {
    const groupId = parseIntId(id)
    return groupId === undefined ? null : ((await load.group.load(groupId)) ?? null)
  },

  notifications: async (_root, { first, after }, context) => {
    const { chat, viewer, answer } = context
    const size = pageSize(first, 20)
    const before = decodeCursor('notification', after, isId)
    const rows = await answer.read(
      'notifications',
      () => chat.reads.notificationPage(viewer.userId, before, size + 1),
      (page) => page.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0),
    )
    await context.turn(rows.length)
    return toPage(
      'notification',
      rows,
      size,
      after,
      ({ id }) => id,
      (row) => row,
    )
  },

  searchMessages: async (_root, { first, after, ...args }, context) => {
    const { chat, viewer, answer } = context
    const size = pageSize(first, 20)
    const before = decodeCursor('found', after, isId)
    const text = args.text?.trim() ? args.text : undefined
    const input = {
      text,
      conversationId: args.conversationId ?? undefined,
      // An invalid id matches nobody.
      senderId: args.senderId == null ? undefined : (parseIntId(args.senderId) ?? 0),
      hasMedia: args.hasMedia ?? undefined,
      mentionsMe: args.mentionsMe ?? false,
      sentAfter: args.sentAfter ?? undefined,
      sentBefore: args.sentBefore ?? undefined,
    }
    const rows = await answer.read(
      'searchMessages',
      () => chat.scan(viewer, () => chat.reads.searchMessages(viewer.userId, input, before, size + 1)),
      (found) => found.reduce((sum, { content }) => sum + content.length, 0),
    )
    await context.turn(rows.length)
    return toPage(
      'found',
      rows,
      size,
      after,
      ({ id }) => id,
      (message) => message,
    )
  },

  blockedUsers: async (_root, { first, after }, context) => {
    const { answer, chat, viewer } = context
    const size = pageSize(first, 20)
    const [at, userId] = decodeCursor('block', after, isBlockKey) ?? []
    const before = at === undefined || userId === undefined ? undefined : { at, userId }
    const rows = await answer.read(
      'blockedUsers',
      () => chat.scan(viewer, () => chat.reads.blockPage(viewer.userId, before, size + 1)),
      (page) => page.length,
    )
    await context.turn(rows.length)
    return toPage(
      'block',
      rows,
      size,
      after,
      (row) => [row.at, row.userId],
      (row) => ({ id: row.userId }),
    )
  },

  cursor(_root, _args, { snapshot }) {
    if (!snapshot) throw new Error('a query that selects cursor is to be executed in a snapshot')
    return snapshot.cursor()
  },
}
