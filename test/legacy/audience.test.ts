import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, type TestApp, type TestUser } from '../support/app.ts'
import type { Frame, LegacyClient } from '../support/legacy-client.ts'
import { createGroup, direct, eachOf, people, run, type TestGroup } from '../support/people.ts'

/** Ann, Bob and Cat are in one group, Ann and Bob have a direct conversation, Zed has nothing to do with any of them. */
const NAMES = ['ann', 'bob', 'cat', 'zed'] as const
type Name = (typeof NAMES)[number]

let app: TestApp
let users: Record<Name, TestUser>
let clients: Record<Name, LegacyClient[]>
let group: TestGroup

beforeAll(async () => {
  app = await sharedApp()
  users = await people(app, ...NAMES)
  clients = await eachOf(users, (user) => Promise.all([app.ready(user), app.ready(user)]))
  group = await createGroup(app, users.ann, [users.bob, users.cat])
  await clients.ann[0]?.request('message_sent', { receiver_id: users.bob.id, content: 'first' })
  await pushed()
})
afterAll(() => app.stop())

/** What each connection was pushed since the last call, but for presence, which comes when it comes. */
async function pushed(): Promise<Record<Name, Frame[][]>> {
  return await eachOf(clients, (connections) =>
    Promise.all(connections.map(async (client) => (await client.settle()).filter(({ type }) => type !== 'online_status'))),
  )
}

/**
 * That what was done since the last call pushed one frame, the same one, to every connection of the audience and nothing
 * to any other; resolves with the frame.
 */
async function expectAudience(audience: readonly Name[], expected: object): Promise<Frame> {
  const frames = await pushed()
  const [frame] = Object.values(frames).flat(2)
  expect(frame).toMatchObject({ code: 200, msg: 'success', ...expected })
  const wanted = Object.fromEntries(NAMES.map((name) => [name, audience.includes(name) ? [[frame], [frame]] : [[], []]]))
  expect(frames).toEqual(wanted)
  return frame as Frame
}

/** A request over the user's first connection that succeeds. */
async function request(name: Name, type: string, data: object): Promise<void> {
  const answer = await clients[name][0]?.request(type, data)
  expect(answer?.code).toBe(200)
}

const admin = async (field: string): Promise<unknown> => Object.values(await app.admin.data(`mutation { ${field} }`))[0]

/** Stores a message and resolves with its push. */
async function sent(name: Name, data: object): Promise<Frame> {
  await request(name, 'message_sent', { content: 'hi', ...data })
  const [frame] = (await pushed())[name][0] ?? []
  return frame as Frame
}
const sentDirect = (): Promise<Frame> => sent('ann', { receiver_id: users.bob.id })
const sentToGroup = (): Promise<Frame> => sent('ann', { conversation_id: group.conversation, is_group: true })

describe('a push goes to its audience, on every connection, and to no one else:', () => {
  test('message_sent of a direct conversation to both', async () => {
    await request('ann', 'message_sent', { receiver_id: users.bob.id, content: 'hi' })
    await expectAudience(['ann', 'bob'], { type: 'message_sent', data: { sender_id: users.ann.id, is_group: false } })
  })

  test('message_sent of a group to every member', async () => {
    await request('bob', 'message_sent', { conversation_id: group.conversation, content: 'hi', is_group: true })
    await expectAudience(['ann', 'bob', 'cat'], { type: 'message_sent', data: { sender_id: users.bob.id, group_id: group.id } })
  })

  test('typing in a direct conversation to the other user', async () => {
    const session_id = direct(users.ann, users.bob)
    for (const typing of [true, false]) {
      await request('ann', 'typing', { session_id, typing })
      await expectAudience(['bob'], { type: 'typing', data: { session_id, user_id: users.ann.id, user_name: 'ann', typing } })
    }
  })

  test('typing in a group to the other members', async () => {
    for (const typing of [true, false]) {
      await request('cat', 'typing', { session_id: group.conversation, typing })
      await expectAudience(['ann', 'bob'], { type: 'typing', data: { session_id: group.conversation, typing } })
    }
  })

  test('message_read to the sender of the message', async () => {
    const message = await sentDirect()
    await request('bob', 'message_read', { message_id: message.data.id })
    await expectAudience(['ann'], {
      type: 'message_read',
      data: { message_id: message.data.id, is_group: false, reader_id: users.bob.id },
    })
    const toGroup = await sentToGroup()
    await request('cat', 'message_read', { message_id: toGroup.data.id, is_group: true })
    await expectAudience(['ann'], {
      type: 'message_read',
      data: { message_id: toGroup.data.id, is_group: true, reader_id: users.cat.id },
    })
  })

  test.each(['reaction_added', 'reaction_removed'])('%s to every member', async (type) => {
    const [inDirect, inGroup] = [await sentDirect(), await sentToGroup()]
    const about = (message: Frame) => ({ message_id: message.data.id, is_group: message.data.is_group, reaction: '👍' })
    if (type === 'reaction_removed') {
      for (const message of [inDirect, inGroup]) await request('bob', 'reaction_added', about(message))
      await pushed()
    }
    const change = (message: Frame) => ({
      type,
      data: {
        ...about(message),
        user_id: users.bob.id,
        ...(type === 'reaction_added'
          ? { reaction_count: 1, reaction_user_ids: [users.bob.id] }
          : { reaction_count: 0, reaction_user_ids: [] }),
      },
    })
    await request('bob', type, about(inDirect))
    await expectAudience(['ann', 'bob'], change(inDirect))
    await request('bob', type, about(inGroup))
    await expectAudience(['ann', 'bob', 'cat'], change(inGroup))
  })

  test('online_status to those who share a conversation, and not to the user', async () => {
    const { eve } = await people(app, 'eve')
    await run(app, eve, `sendMessage(input: { receiverId: ${users.ann.id}, content: "hi" }) { id }`)
    await createGroup(app, users.cat, [eve])
    await pushed()
    const statuses = async (connections: readonly LegacyClient[]): Promise<Frame[]> =>
      Promise.all(
        connections.map((client) => client.inbox.next(({ type, data }) => type === 'online_status' && data.user_id === eve.id)),
      )
    const first = await app.ready(eve)
    const second = await app.ready(eve)
    const online = await statuses([...clients.ann, ...clients.cat])
    expect(online[0]).toMatchObject({ code: 200, msg: 'success', data: { user_id: eve.id, online: true } })
    expect(online).toEqual(online.map(() => online[0]))
    expect([...(await first.settle()), ...(await second.settle())]).toEqual([])
    await first.close()
    await second.close()
    const offline = await statuses([...clients.ann, ...clients.cat])
    expect(offline[0]).toMatchObject({ data: { user_id: eve.id, online: false } })
    expect(offline).toEqual(offline.map(() => offline[0]))
    for (const client of Object.values(clients).flat()) {
      const late = (await client.settle()).filter(({ data }) => data.user_id === eve.id)
      expect(late).toEqual([])
    }
  })

  test('group_updated to all members: of a new group, of changed info, settings and roles', async () => {
    const { id } = await createGroup(app, users.ann, [users.cat])
    const update = (data: object) => ({ type: 'group_updated', data: { group_id: id, update_type: 'group_info', data } })
    await expectAudience(['ann', 'cat'], update({ group_id: id, name: 'Group', member_count: 2 }))
    await run(app, users.ann, `updateGroup(groupId: ${id}, input: { announcement: "news", allowSendMessages: false }) { id }`)
    await expectAudience(['ann', 'cat'], update({ announcement: 'news', allow_send_messages: false, allow_invitation: true }))
    await run(app, users.ann, `setGroupRole(groupId: ${id}, userId: ${users.cat.id}, role: ADMIN) { id }`)
    await expectAudience(['ann', 'cat'], update({ member_count: 2 }))
  })

  test('user_joined_group to all members, the new one included', async () => {
    const { id } = await createGroup(app, users.ann, [users.cat])
    await pushed()
    await run(app, users.bob, `joinGroup(groupId: ${id})`)
    await expectAudience(['ann', 'bob', 'cat'], {
      type: 'user_joined_group',
      data: {
        group_id: id,
        update_type: 'member_joined',
        data: { group_id: id, user_id: users.bob.id, username: 'bob', avatar: null, member_count: 3 },
      },
    })
  })

  test('user_left_group to the remaining members and the one who left', async () => {
    const { id } = await createGroup(app, users.ann, [users.bob, users.cat])
    await pushed()
    const left = (name: Name, members: number) => ({
      type: 'user_left_group',
      data: {
        group_id: id,
        update_type: 'member_left',
        data: { group_id: id, user_id: users[name].id, username: name, avatar: null, member_count: members },
      },
    })
    await run(app, users.bob, `leaveGroup(groupId: ${id})`)
    await expectAudience(['ann', 'bob', 'cat'], left('bob', 2))
    await run(app, users.ann, `removeGroupMember(groupId: ${id}, userId: ${users.cat.id}) { id }`)
    await expectAudience(['ann', 'cat'], left('cat', 1))
    // The last one closes the group.
    await run(app, users.ann, `leaveGroup(groupId: ${id})`)
    await expectAudience(['ann'], left('ann', 0))
  })

  test('marking many messages read pushes one message_read for each to its sender', async () => {
    const messages = [await sentToGroup(), await sentToGroup()]
    const last = messages.at(-1)?.data.id
    await run(app, users.cat, `markConversationRead(conversationId: "${group.conversation}", upToMessageId: ${last})`)
    const frames = await pushed()
    const ofLatest = frames.ann.map((connection) => connection.map(({ data }) => data.message_id).slice(-2))
    expect(ofLatest).toEqual([messages.map(({ data }) => data.id), messages.map(({ data }) => data.id)])
    expect(frames.ann.flat().every(({ type, data }) => type === 'message_read' && data.reader_id === users.cat.id)).toBe(true)
    for (const frame of frames.bob.flat())
      expect(frame).toMatchObject({ type: 'message_read', data: { reader_id: users.cat.id } })
    expect([...frames.cat, ...frames.zed].flat()).toEqual([])
  })
})

describe('the server-side push API as admin mutations', () => {
  test('pushNewMessage pushes a stored message to its conversation, as a new event', async () => {
    for (const [message, audience] of [
      [await sentDirect(), ['ann', 'bob']],
      [await sentToGroup(), ['ann', 'bob', 'cat']],
    ] as const) {
      expect(await admin(`pushNewMessage(messageId: ${message.data.id}, isGroup: ${message.data.is_group})`)).toBe(true)
      const again = await expectAudience(audience, { type: 'message_sent', data: message.data })
      expect(Number(again.message_id)).toBeGreaterThan(Number(message.message_id))
    }
  })

  test('pushGroupUpdate pushes the current info to all members', async () => {
    expect(await admin(`pushGroupUpdate(groupId: ${group.id})`)).toBe(true)
    await expectAudience(['ann', 'bob', 'cat'], {
      type: 'group_updated',
      data: { group_id: group.id, update_type: 'group_info', data: { group_id: group.id, name: 'Group', member_count: 3 } },
    })
  })

  test('pushMemberJoined pushes to all members and changes nothing', async () => {
    const data = { group_id: group.id, user_id: users.cat.id, username: 'cat', member_count: 3 }
    expect(await admin(`pushMemberJoined(groupId: ${group.id}, userId: ${users.cat.id})`)).toBe(true)
    await expectAudience(['ann', 'bob', 'cat'], { type: 'user_joined_group', data: { update_type: 'member_joined', data } })
    await sentToGroup()
  })

  test('pushMemberLeft pushes to the members and the one named, and ends no membership', async () => {
    const left = (name: Name) => ({
      type: 'user_left_group',
      data: { update_type: 'member_left', data: { group_id: group.id, user_id: users[name].id, member_count: 3 } },
    })
    expect(await admin(`pushMemberLeft(groupId: ${group.id}, userId: ${users.zed.id})`)).toBe(true)
    await expectAudience(['ann', 'bob', 'cat', 'zed'], left('zed'))
    expect(await admin(`pushMemberLeft(groupId: ${group.id}, userId: ${users.cat.id})`)).toBe(true)
    await expectAudience(['ann', 'bob', 'cat'], left('cat'))
    await request('cat', 'message_sent', { conversation_id: group.conversation, content: 'still here', is_group: true })
    await expectAudience(['ann', 'bob', 'cat'], { type: 'message_sent' })
  })

  test('pushSystemNotification pushes to the users named', async () => {
    const ids = `[${users.bob.id}, ${users.bob.id}]`
    expect(await admin(`pushSystemNotification(notificationType: "news", data: { a: [1, null] }, userIds: ${ids})`)).toBe(true)
    await expectAudience(['bob'], { type: 'notification', data: { notification_type: 'news', data: { a: [1, null] } } })
  })

  test('what does not exist gives false and pushes nothing', async () => {
    const { data } = await sentDirect()
    const attempts = [
      'pushNewMessage(messageId: 999999999)',
      `pushNewMessage(messageId: ${data.id}, isGroup: true)`,
      'pushGroupUpdate(groupId: 999999)',
      `pushMemberJoined(groupId: 999999, userId: ${users.ann.id})`,
      `pushMemberLeft(groupId: ${group.id}, userId: 2000000000)`,
      `pushSystemNotification(notificationType: "news", data: {}, userIds: [${users.ann.id}, 2000000000])`,
    ]
    for (const attempt of attempts) expect(await admin(attempt)).toBe(false)
    expect(Object.values(await pushed()).flat(2)).toEqual([])
  })

  test('is for admins', async () => {
    const { errors } = await app.over(users.ann).run(`mutation { pushGroupUpdate(groupId: ${group.id}) }`)
    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
    expect(Object.values(await pushed()).flat(2)).toEqual([])
  })
})
