import { expect, test } from 'vitest'
import { createCheckpoints, type Checkpoint } from '../../src/live/checkpoints.ts'
import { isAudienceHint, isHint } from '../../src/live/hints.ts'

const user = { id: 7, name: 'Ann', avatar: null }
const message = {
  ...{ id: 42, conversationId: 'direct_7_8', isGroup: false, groupId: null, senderId: 7, senderName: 'Ann', senderAvatar: null },
  ...{ content: 'hi', messageType: 'text', mediaUrl: null, at: 1 },
}
const reaction = { messageId: 42, conversationId: 'direct_7_8', isGroup: false, userId: 7, reaction: '👍', userIds: [7] }
const group = {
  ...{ id: 9, conversationId: 'group_9', name: 'G', avatar: null, announcement: null, joinApprovalRequired: false },
  ...{ allowInvitation: true, allowSendMessages: true, memberCount: 2 },
}
const membership = { groupId: 9, conversationId: 'group_9', user, memberCount: 2 }
const durable = (kind: string, payload: unknown, seq: unknown = 1): unknown => ({ seq, event: { id: 5, at: 1, kind, payload } })
const unkept = (kind: string, payload: unknown): unknown => ({ seq: null, event: { id: null, at: 1, kind, payload } })
const typing = { conversationId: 'group_9', isGroup: true, user, typing: true }
const presence = { userId: 7, online: true, lastActive: 1 }

test('a hint of every kind of event is taken', () => {
  const hints = [
    durable('message_sent', message),
    durable('message_edited', { ...message, editedAt: 2, replyToId: 41, replyCount: 1, mentionIds: [8], mentionsAll: true }),
    durable('message_deleted', { messageId: 42, conversationId: 'direct_7_8', isGroup: false, deletedById: 7 }),
    durable('message_read', { messageId: 42, conversationId: 'direct_7_8', isGroup: false, readerId: 8 }),
    durable('reaction_added', reaction),
    durable('reaction_removed', { ...reaction, userIds: [] }),
    durable('group_updated', { group, opens: { topic: 'group:9', sinceSeq: 0 } }),
    durable('member_joined', { ...membership, opens: { topic: 'group:9', sinceSeq: 3 } }),
    durable('member_left', { ...membership, closes: 7 }),
    durable('notification', { id: 1, userId: 7, type: 't', data: {}, at: 1, readAt: null }),
    // Kinds that a later version may have.
    durable('of_a_later_version', {}),
    durable('__proto__', {}),
    unkept('typing', typing),
    unkept('presence', presence),
    { ...(durable('message_sent', message) as object), trace: '00-1-2-01' },
  ]
  expect(hints.filter((hint) => !isHint(hint))).toEqual([])
  expect(isAudienceHint({ topics: ['user:7'], event: { id: null, at: 1, kind: 'presence', payload: presence } })).toBe(true)
})

test('what is out of range, of another type or not whole is none', () => {
  const bad = [
    ...[1e300, Infinity, 2 ** 53, 1.5, 0, -1, '1', undefined].map((seq) => durable('message_sent', message, seq ?? {})),
    durable('of_a_later_version', null),
    durable('typing', typing),
    unkept('message_sent', message),
    durable('message_sent', null),
    durable('message_sent', { ...message, id: 1e300 }),
    durable('message_sent', { ...message, senderId: 2 ** 31 }),
    durable('message_sent', { ...message, content: undefined }),
    durable('message_sent', { ...message, at: 1e300 }),
    durable('message_edited', { ...message, editedAt: '2' }),
    durable('message_edited', { ...message, mentionIds: 8 }),
    durable('message_deleted', { messageId: 42, conversationId: 'direct_7_8', isGroup: false }),
    durable('reaction_added', { ...reaction, userIds: ['7'] }),
    durable('group_updated', { group: null }),
    durable('member_joined', { ...membership, user: null }),
    durable('member_joined', { ...membership, opens: { topic: 'group:9', sinceSeq: 1e300 } }),
    unkept('typing', { ...typing, user: 7 }),
    { seq: 1, event: { id: 1e300, at: 1, kind: 'message_sent', payload: message } },
    { seq: 1, event: { id: 5, at: 'now', kind: 'message_sent', payload: message } },
    { seq: 1 },
    { seq: 1, event: null },
    [],
    null,
  ]
  expect(bad.filter((hint) => isHint(hint))).toEqual([])
  const event = { id: null, at: 1, kind: 'presence', payload: presence }
  expect(
    [
      { topics: 'user:7', event },
      { topics: [7], event },
      { topics: [], event: {} },
    ].filter(isAudienceHint),
  ).toEqual([])
})

test('a checkpoint that can not be read is left out and counted, and the others count', async () => {
  const good: Checkpoint = {
    ...{ scope: 'all', from: 1, to: 9, seqs: { 'user:7 0': 4 } },
    late: [{ topic: 'user:7', seq: 3, id: 4, behind: 9 }],
  }
  const texts = [
    ...['', 'no JSON', 'null', '[]', '{}', '{"scope":"all"}'],
    ...[{ from: 1e300 }, { seqs: null }, { seqs: { x: '1' } }, { late: {} }, { late: [null] }].map((part) =>
      JSON.stringify({ ...good, ...part }),
    ),
  ]
  let unreadable = 0
  const ignore = (): void => undefined
  const load = () => Promise.resolve({ texts: [...texts, JSON.stringify(good)], open: [], isWhole: true })
  const kept = createCheckpoints({ opened: ignore, closed: ignore, load }, () => unreadable++)
  expect(await kept.load(7)).toEqual({ checkpoints: [good], open: [], isWhole: false })
  expect(unreadable).toBe(texts.length)
})
