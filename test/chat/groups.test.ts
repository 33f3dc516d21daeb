import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Chat } from '../../src/chat/chat.ts'
import type { Memberships } from '../../src/store/conversations.ts'
import type { GroupRecord } from '../../src/store/groups.ts'
import { codeOf, createTestChat, newUserId, refusal, type TestChat } from '../support/chat.ts'
import { describeEngines, describeServer, statementsBehind } from '../support/database.ts'
import { GROUP_INFO } from '../support/group-info.ts'

const NO_GROUP = 1_000_000
const MESSAGE = {
  conversationId: null,
  isGroup: null,
  content: 'hi',
  messageType: 'text',
  mediaUrl: null,
  key: null,
}
const INFO = { ...GROUP_INFO, name: 'Foxes' }

describeEngines((on) => {
  let node: TestChat
  let groups: Chat['groups']
  beforeEach(() => {
    node = createTestChat(on().store)
    ;({ groups } = node.chat)
  })
  afterEach(async () => {
    await node.expectLogPublished()
    await node.close()
  })

  /** What was published since the last call, without group infos' details. */
  const taken = (): unknown[] =>
    node.take().map(({ topic, event }) => {
      const payload = event.payload as { user?: { id: number }; memberCount?: number; group?: GroupRecord }
      return event.kind === 'group_updated'
        ? [topic, event.kind, payload.group?.memberCount]
        : [topic, event.kind, payload.user?.id, payload.memberCount]
    })

  const membershipsOf = async (userId: number): Promise<Memberships> =>
    (await node.store.conversations.memberships([userId])).get(userId) ?? expect.fail('no memberships')

  const rolesIn = async (groupId: number): Promise<string[]> =>
    (await node.chat.reads.groupMembers(groupId, 0, 100)).map(({ role }) => role)

  const infoOf = async (groupId: number): Promise<GroupRecord | undefined> =>
    (await node.chat.reads.groups([groupId])).get(groupId)

  describe('creating', () => {
    test('the creator owns it, those named are members, and everybody is told in their own topic', async () => {
      const [a = 0, b = 0, c = 0] = await node.users(3)
      const info = {
        name: 'Foxes 🦊',
        avatar: 'https://example.org/g.png',
        announcement: 'x'.repeat(5000),
        joinApprovalRequired: true,
        allowInvitation: false,
        allowSendMessages: false,
        historyVisible: true,
      }
      const created = await groups.create(b, info, [c, a, c, b])
      const group = { id: created.id, conversationId: `group_${created.id}`, ...info, memberCount: 3 }
      expect(created).toEqual(group)
      expect(await infoOf(created.id)).toEqual(group)
      const members = await node.chat.reads.groupMembers(created.id, 0, 10)
      expect(members.map(({ userId, role }) => [userId, role])).toEqual([
        [a, 'MEMBER'],
        [b, 'OWNER'],
        [c, 'MEMBER'],
      ])
      const topic = `group:${created.id}`
      const published = node.take()
      expect(published.map((one) => one.topic).toSorted()).toEqual([topic, `user:${a}`, `user:${b}`, `user:${c}`].toSorted())
      for (const { event } of published) {
        expect([event.kind, event.payload]).toEqual(['group_updated', { group, opens: { topic, sinceSeq: 1 } }])
      }
      expect((await membershipsOf(a)).groups).toEqual([{ topic, sinceSeq: 1, memberCount: 3, head: 1 }])
    })

    test('texts have their limits, and members must exist', async () => {
      const [a = 0] = await node.users(1)
      const bad = [
        { name: '' },
        { name: 'x'.repeat(101) },
        { name: 'a\0' },
        { avatar: 'ftp://example.org' },
        { announcement: 'x'.repeat(5001) },
        { announcement: '\ud800' },
      ]
      for (const info of bad) expect(await codeOf(node.group(a, [], info))).toBe('BAD_USER_INPUT')
      expect(await codeOf(node.group(a, [newUserId()]))).toBe('NOT_FOUND')
      expect(await codeOf(node.group(a, Array.from({ length: 1001 }, newUserId)))).toBe('BAD_USER_INPUT')
      expect(taken()).toEqual([])
    })
  })

  test('a long announcement for many first members comes once for all of them, after the group', async () => {
    const [a = 0, ...others] = await node.users(61)
    const announcement = '長'.repeat(5000)
    const id = await node.group(a, others, { announcement })
    const published = node.take()
    const announcements = (wanted: string): unknown[] =>
      published.flatMap(({ topic, event }) =>
        topic === wanted && event.kind === 'group_updated' ? [event.payload.group.announcement] : [],
      )
    expect(announcements(`user:${others[0]}`)).toEqual([null])
    expect(announcements(`group:${id}`)).toEqual([null, announcement])
    expect((await membershipsOf(a)).groups).toMatchObject([{ sinceSeq: 1, head: 2 }])
    expect(JSON.stringify(published).length).toBeLessThan(100_000)
    expect((await node.chat.reads.groups([id])).get(id)?.announcement).toBe(announcement)
  })

  describe('changing the info', () => {
    test('owner and admins may; absent fields stay as they are; the group is told', async () => {
      const [a = 0, b = 0, c = 0] = await node.users(3)
      const id = await node.group(a, [b, c], { announcement: 'old' })
      await groups.setRole(a, id, b, 'ADMIN')
      taken()
      expect(await groups.update(a, id, { name: 'New', announcement: null })).toMatchObject({ name: 'New', announcement: null })
      expect(await groups.update(b, id, { allowInvitation: false })).toMatchObject({
        name: 'New',
        allowInvitation: false,
        memberCount: 3,
      })
      expect(taken()).toEqual([
        [`group:${id}`, 'group_updated', 3],
        [`group:${id}`, 'group_updated', 3],
      ])
      expect(await groups.update(b, id, {})).toMatchObject({ name: 'New' })
      expect(await codeOf(groups.update(a, id, { name: '' }))).toBe('BAD_USER_INPUT')
      expect(await codeOf(groups.update(c, id, { name: 'Mine' }))).toBe('FORBIDDEN')
      expect(await codeOf(groups.update(newUserId(), id, { name: 'Mine' }))).toBe('FORBIDDEN')
      expect(await codeOf(groups.update(a, NO_GROUP, { name: 'Mine' }))).toBe('NOT_FOUND')
      expect(taken()).toEqual([])
    })
  })

  describe('joining', () => {
    test('anybody may join an open group; the group and the one who joined are told; a repeat changes nothing', async () => {
      const [a = 0, b = 0] = await node.users(2)
      const id = await node.group(a, [])
      taken()
      expect(await groups.join(b, id)).toBe('JOINED')
      expect(taken()).toEqual([
        [`group:${id}`, 'member_joined', b, 2],
        [`user:${b}`, 'member_joined', b, 2],
      ])
      expect((await membershipsOf(b)).groups).toEqual([{ topic: `group:${id}`, sinceSeq: 2, memberCount: 2, head: 2 }])
      expect(await groups.join(b, id)).toBe('JOINED')
      expect(await groups.join(a, id)).toBe('JOINED')
      expect(taken()).toEqual([])
      expect(await codeOf(groups.join(b, NO_GROUP))).toBe('NOT_FOUND')
      expect(await codeOf(groups.join(newUserId(), id))).toBe('NOT_FOUND')
    })

    test('where approval is required it is a request, told to nobody, that owner or admins decide', async () => {
      const [a = 0, b = 0, c = 0, d = 0, e = 0] = await node.users(5)
      const id = await node.group(a, [b, c], { joinApprovalRequired: true })
      await groups.setRole(a, id, b, 'ADMIN')
      taken()
      expect([await groups.join(e, id), await groups.join(d, id), await groups.join(d, id)]).toEqual([
        'PENDING',
        'PENDING',
        'PENDING',
      ])
      expect(taken()).toEqual([])
      expect((await node.chat.reads.joinRequests([id])).get(id)).toEqual([e, d])
      expect(await codeOf(node.send(d, { conversationId: `group_${id}` }))).toBe('FORBIDDEN')
      expect(await codeOf(groups.decide(c, id, d, true))).toBe('FORBIDDEN')
      expect(await codeOf(groups.decide(d, id, d, true))).toBe('FORBIDDEN')
      expect(await codeOf(groups.decide(a, id, newUserId(), true))).toBe('NOT_FOUND')
      expect((await groups.decide(b, id, d, true)).memberCount).toBe(4)
      expect((await groups.decide(a, id, e, false)).memberCount).toBe(4)
      expect(taken()).toEqual([
        [`group:${id}`, 'member_joined', d, 4],
        [`user:${d}`, 'member_joined', d, 4],
      ])
      expect((await node.chat.reads.joinRequests([id])).get(id)).toEqual([])
      expect(await codeOf(groups.decide(a, id, d, true))).toBe('NOT_FOUND')
      expect(await codeOf(groups.decide(a, id, e, true))).toBe('NOT_FOUND')
      expect(await groups.join(e, id)).toBe('PENDING')
    })

    test('a user who left a thousand groups lately can join no other one; what others may have caused is no part of them', async () => {
      const limited = createTestChat(on().store, { groupAdditionsPerDay: 2 })
      const [owner = 0, user = 0] = await limited.users(2)
      const open = await limited.group(owner, [])
      const approved = await limited.group(owner, [], { joinApprovalRequired: true })
      const leave = `INSERT INTO past_memberships (user_id, topic, since_seq, until_seq) SELECT ${user}, 'group:${open}', 0, 1000000 + n`
      await on().query(`${leave} FROM generate_series(1, 999) n`)
      expect(await limited.chat.groups.join(user, open)).toBe('JOINED')
      await limited.chat.groups.leave(user, open)
      // Today and yesterday others may have put them into two groups each, and removed them.
      expect(await limited.chat.groups.join(user, open)).toBe('JOINED')
      await limited.chat.groups.leave(user, open)
      await on().query(`${leave} FROM generate_series(1000, 1002) n`)
      for (const id of [open, approved])
        expect(await refusal(limited.chat.groups.join(user, id))).toEqual({
          code: 'FORBIDDEN',
          message: '1004 of your memberships ended lately, which is the limit: another group can be joined some days later',
        })
      // Those whom others bring in are counted by the day.
      await limited.chat.groups.invite(owner, open, [user])
      expect(await limited.chat.groups.join(user, open)).toBe('JOINED')
      await limited.close()
    })

    test('a request is gone once the user came in another way', async () => {
      const [a = 0, b = 0] = await node.users(2)
      const id = await node.group(a, [], { joinApprovalRequired: true })
      await groups.join(b, id)
      await groups.update(a, id, { joinApprovalRequired: false })
      expect((await node.chat.reads.joinRequests([id])).get(id)).toEqual([b])
      expect(await groups.join(b, id)).toBe('JOINED')
      expect((await node.chat.reads.joinRequests([id])).get(id)).toEqual([])
    })
  })

  describe('inviting', () => {
    test('brings in who is not in yet, one event for each with the count after it', async () => {
      const [a = 0, b = 0, c = 0, d = 0] = await node.users(4)
      const id = await node.group(a, [b])
      taken()
      expect((await groups.invite(b, id, [d, b, c, d])).memberCount).toBe(4)
      expect(taken()).toEqual([
        [`group:${id}`, 'member_joined', d, 3],
        [`user:${d}`, 'member_joined', d, 3],
        [`group:${id}`, 'member_joined', c, 4],
        [`user:${c}`, 'member_joined', c, 4],
      ])
      expect((await membershipsOf(d)).groups).toEqual([{ topic: `group:${id}`, sinceSeq: 2, memberCount: 4, head: 3 }])
      expect((await membershipsOf(c)).groups).toEqual([{ topic: `group:${id}`, sinceSeq: 3, memberCount: 4, head: 3 }])
      expect((await groups.invite(b, id, [a, b, c])).memberCount).toBe(4)
      expect(taken()).toEqual([])
    })

    test('of many at once each gets their own joining, and what comes after all of them', async () => {
      const [a = 0, ...others] = await node.users(61)
      const id = await node.group(a, [])
      await groups.invite(a, id, others)
      const [first = 0, last = 0] = [others[0], others.at(-1)]
      for (const userId of [first, last])
        expect((await membershipsOf(userId)).groups).toMatchObject([{ topic: `group:${id}`, sinceSeq: 61, head: 61 }])
      const opened = node.take().filter(({ topic, event }) => topic === `user:${first}` && event.kind === 'member_joined')
      expect(opened).toMatchObject([{ event: { payload: { memberCount: 2, opens: { topic: `group:${id}`, sinceSeq: 61 } } } }])
    })

    test("members may where the group allows it; where approval is required theirs are requests, an owner's or admin's never", async () => {
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = await node.users(6)
      const id = await node.group(a, [b, c], { allowInvitation: false })
      await groups.setRole(a, id, b, 'ADMIN')
      taken()
      expect(await codeOf(groups.invite(c, id, [d]))).toBe('FORBIDDEN')
      expect(await codeOf(groups.invite(d, id, [d]))).toBe('FORBIDDEN')
      expect((await groups.invite(b, id, [d])).memberCount).toBe(4)
      await groups.update(a, id, { allowInvitation: true, joinApprovalRequired: true })
      taken()
      expect((await groups.invite(c, id, [e, d])).memberCount).toBe(4)
      expect(taken()).toEqual([])
      expect((await node.chat.reads.joinRequests([id])).get(id)).toEqual([e])
      expect((await groups.decide(a, id, e, true)).memberCount).toBe(5)
      expect((await groups.invite(a, id, [f])).memberCount).toBe(6)
      expect((await node.chat.reads.joinRequests([id])).get(id)).toEqual([])
    })

    test('who is invited must exist, and there must be somebody', async () => {
      const [a = 0, b = 0] = await node.users(2)
      const id = await node.group(a, [])
      taken()
      expect(await codeOf(groups.invite(a, id, [b, newUserId()]))).toBe('NOT_FOUND')
      expect(await codeOf(groups.invite(a, id, []))).toBe('BAD_USER_INPUT')
      expect(await codeOf(groups.invite(a, NO_GROUP, [b]))).toBe('NOT_FOUND')
      expect(await rolesIn(id)).toEqual(['OWNER'])
      expect(taken()).toEqual([])
    })
  })

  describe('roles', () => {
    test('only the owner sets them, and each change is told to the group', async () => {
      const [a = 0, b = 0, c = 0] = await node.users(3)
      const id = await node.group(a, [b, c])
      taken()
      expect((await groups.setRole(a, id, b, 'ADMIN')).memberCount).toBe(3)
      expect(await rolesIn(id)).toEqual(['OWNER', 'ADMIN', 'MEMBER'])
      expect(await codeOf(groups.setRole(b, id, c, 'ADMIN'))).toBe('FORBIDDEN')
      expect(await codeOf(groups.setRole(c, id, c, 'OWNER'))).toBe('FORBIDDEN')
      expect(await codeOf(groups.setRole(newUserId(), id, c, 'ADMIN'))).toBe('FORBIDDEN')
      expect(await codeOf(groups.setRole(a, id, newUserId(), 'ADMIN'))).toBe('NOT_FOUND')
      expect(await codeOf(groups.setRole(a, id, a, 'MEMBER'))).toBe('BAD_USER_INPUT')
      await groups.setRole(a, id, b, 'ADMIN')
      await groups.setRole(a, id, a, 'OWNER')
      expect(taken()).toEqual([[`group:${id}`, 'group_updated', 3]])
      await groups.setRole(a, id, b, 'MEMBER')
      expect(await rolesIn(id)).toEqual(['OWNER', 'MEMBER', 'MEMBER'])
    })

    test('role OWNER hands the group over, the old owner becomes admin', async () => {
      const [a = 0, b = 0] = await node.users(2)
      const id = await node.group(a, [b])
      await groups.setRole(a, id, b, 'OWNER')
      expect(await rolesIn(id)).toEqual(['ADMIN', 'OWNER'])
      expect(await codeOf(groups.setRole(a, id, a, 'OWNER'))).toBe('FORBIDDEN')
      await groups.leave(a, id)
      await groups.leave(b, id)
      expect(await infoOf(id)).toBeUndefined()
    })

    test('roles are given for many groups at once, of those the user is in', async () => {
      const [a = 0, b = 0] = await node.users(2)
      const [own, joined, other] = [await node.group(a, []), await node.group(b, [a]), await node.group(b, [])]
      expect(await node.chat.reads.rolesOf(a, [own, joined, other, NO_GROUP])).toEqual(
        new Map([
          [own, 'OWNER'],
          [joined, 'MEMBER'],
        ]),
      )
    })
  })

  describe('a muted group', () => {
    test('takes messages of owner and admins only', async () => {
      const [a = 0, b = 0, c = 0] = await node.users(3)
      const id = await node.group(a, [b, c], { allowSendMessages: false })
      await groups.setRole(a, id, b, 'ADMIN')
      const conversationId = `group_${id}`
      await node.send(a, { conversationId })
      await node.send(b, { conversationId })
      expect(await codeOf(node.send(c, { conversationId }))).toBe('FORBIDDEN')
      await groups.update(b, id, { allowSendMessages: true })
      await node.send(c, { conversationId })
    })
  })

  describe('leaving and removing', () => {
    test('who leaves is told by the same event as those who stay, and keeps nothing', async () => {
      const [a = 0, b = 0, c = 0] = await node.users(3)
      const id = await node.group(a, [b, c])
      const conversationId = `group_${id}`
      const message = await node.send(a, { conversationId })
      taken()
      await groups.leave(b, id)
      expect(taken()).toEqual([[`group:${id}`, 'member_left', b, 2]])
      expect(node.published.at(-1)?.event.payload).toMatchObject({ closes: b })
      const { chat } = node
      const refused = [
        chat.access.message(b, message.id),
        chat.receipts.markMessage(b, message.id),
        chat.receipts.markConversation(b, conversationId, message.id),
        chat.reactions.add(b, message.id, 'x'),
      ]
      expect(await Promise.all(refused.map(codeOf))).toEqual(refused.map(() => 'NOT_FOUND'))
      const forbidden = [
        node.send(b, { conversationId }),
        chat.typing.set(b, null, conversationId, true),
        groups.leave(b, id),
        groups.invite(b, id, [b]),
        groups.update(b, id, { name: 'x' }),
      ]
      expect(await Promise.all(forbidden.map(codeOf))).toEqual(forbidden.map(() => 'FORBIDDEN'))
      expect(await chat.reads.conversationPage(b, undefined, 10)).toEqual([])
      expect(await chat.reads.memberOf(b, [conversationId])).toEqual(new Map())
      expect(await chat.reads.rolesOf(b, [id])).toEqual(new Map())
      expect((await membershipsOf(b)).groups).toEqual([])
    })

    test('owner and admins remove members, only the owner removes admins, nobody the owner or oneself', async () => {
      const [a = 0, b = 0, c = 0, d = 0, e = 0] = await node.users(5)
      const id = await node.group(a, [b, c, d, e])
      await groups.setRole(a, id, b, 'ADMIN')
      await groups.setRole(a, id, c, 'ADMIN')
      taken()
      expect((await groups.remove(b, id, d)).memberCount).toBe(4)
      expect(taken()).toEqual([[`group:${id}`, 'member_left', d, 4]])
      expect(await codeOf(groups.remove(b, id, c))).toBe('FORBIDDEN')
      expect(await codeOf(groups.remove(b, id, a))).toBe('FORBIDDEN')
      expect(await codeOf(groups.remove(e, id, b))).toBe('FORBIDDEN')
      expect(await codeOf(groups.remove(d, id, e))).toBe('FORBIDDEN')
      expect(await codeOf(groups.remove(b, id, d))).toBe('NOT_FOUND')
      expect(await codeOf(groups.remove(a, id, a))).toBe('BAD_USER_INPUT')
      expect((await groups.remove(a, id, c)).memberCount).toBe(3)
      expect(await rolesIn(id)).toEqual(['OWNER', 'ADMIN', 'MEMBER'])
    })

    test("the owner can't leave while others are in; with the last member the group is closed and no longer found", async () => {
      const [a = 0, b = 0] = await node.users(2)
      const id = await node.group(a, [b])
      const message = await node.send(a, { conversationId: `group_${id}` })
      expect(await codeOf(groups.leave(a, id))).toBe('FORBIDDEN')
      await groups.leave(b, id)
      taken()
      await groups.leave(a, id)
      expect(taken()).toEqual([[`group:${id}`, 'member_left', a, 0]])
      expect(await infoOf(id)).toBeUndefined()
      expect(await node.chat.reads.conversations([`group_${id}`])).toEqual(new Map())
      const refused = [
        node.send(a, { conversationId: `group_${id}` }),
        groups.join(b, id),
        groups.update(a, id, { name: 'x' }),
        groups.leave(a, id),
        groups.invite(a, id, [b]),
        node.chat.access.conversation(a, `group_${id}`, 'post'),
        node.chat.access.message(a, message.id),
        node.chat.republish.groupUpdate(id),
        node.chat.republish.newMessage(message.id, true),
      ]
      expect(await Promise.all(refused.map(codeOf))).toEqual(refused.map(() => 'NOT_FOUND'))
    })

    test('of a past membership its stretch of the topic is kept, and a new one begins anew', async () => {
      const [a = 0, b = 0] = await node.users(2)
      const id = await node.group(a, [])
      const topic = `group:${id}`
      const conversationId = `group_${id}`
      await node.send(a, { conversationId })
      await groups.join(b, id)
      await node.send(a, { conversationId })
      await groups.leave(b, id)
      await node.send(a, { conversationId })
      await groups.invite(a, id, [b])
      await groups.remove(a, id, b)
      await groups.join(b, id)
      // 1 created, 2 message, 3 joined, 4 message, 5 left, 6 message, 7 joined, 8 left, 9 joined
      const { groups: current, former } = await membershipsOf(b)
      expect(current).toEqual([{ topic, sinceSeq: 9, memberCount: 2, head: 9 }])
      expect(former.toSorted((x, y) => x.sinceSeq - y.sinceSeq)).toEqual([
        { topic, sinceSeq: 3, untilSeq: 5, endedAt: expect.any(Number) as number },
        { topic, sinceSeq: 7, untilSeq: 8, endedAt: expect.any(Number) as number },
      ])
      expect(await rolesIn(id)).toEqual(['OWNER', 'MEMBER'])
    })
  })

  describe('how often a day others may put a user into a group', () => {
    let limited: TestChat
    beforeEach(() => {
      limited = createTestChat(on().store, { groupAdditionsPerDay: 3 })
    })
    afterEach(() => limited.close())

    test('has a limit, for all who do and on every node, and whoever wants to be in a group can still join it', async () => {
      const other = createTestChat(on().store, { groupAdditionsPerDay: 3 })
      const [a = 0, b = 0, victim = 0, free = 0] = await limited.users(4)
      await limited.group(a, [victim])
      const groupId = await other.group(b, [])
      await other.chat.groups.invite(b, groupId, [victim])
      await limited.group(b, [victim, free])
      expect(await codeOf(limited.group(a, [free, victim]))).toBe('FORBIDDEN')
      const open = await limited.group(a, [])
      expect(await refusal(limited.chat.groups.invite(a, open, [free, victim]))).toEqual({
        code: 'FORBIDDEN',
        message: `others put user ${victim} into 3 groups today, which is the limit: who wants to be in this one can join it`,
      })
      // Nothing of what was refused counts for those who were named beside.
      await limited.chat.groups.invite(a, open, [free])
      await limited.group(a, [free])
      expect(await codeOf(limited.chat.groups.invite(b, groupId, [free]))).toBe('FORBIDDEN')
      expect(await limited.chat.groups.join(victim, open)).toBe('JOINED')
      await other.close()
    })

    test('counts an invitation that has to be approved, and that once', async () => {
      const [owner = 0, member = 0, victim = 0] = await limited.users(3)
      for (let index = 0; index < 3; index++) {
        const groupId = await limited.group(owner, [], { joinApprovalRequired: true })
        await limited.chat.groups.join(member, groupId)
        await limited.chat.groups.decide(owner, groupId, member, true)
        for (let again = 0; again < 2; again++) await limited.chat.groups.invite(member, groupId, [victim])
        await limited.chat.groups.decide(owner, groupId, victim, true)
      }
      const groupId = await limited.group(owner, [])
      expect(await codeOf(limited.chat.groups.invite(owner, groupId, [victim]))).toBe('FORBIDDEN')
    })

    test('begins anew with the next day', async () => {
      const [owner = 0, victim = 0] = await limited.users(2)
      for (let index = 0; index < 3; index++) await limited.group(owner, [victim])
      await on().query(`UPDATE users SET group_additions_day = group_additions_day - 1 WHERE id = ${victim}`)
      await limited.group(owner, [victim])
    })
  })

  test('a user may create so many groups a day, on all nodes together, and an administrator any number', async () => {
    const nodes = [1, 2].map(() => createTestChat(on().store, { groupsCreatedPerDay: 2, groupAdditionsPerDay: 1 }))
    const [one, two] = nodes as [TestChat, TestChat]
    const [owner = 0, member = 0, other = 0] = await one.users(3)
    await one.group(other, [member])
    // What is refused for another reason does not count.
    expect(await codeOf(one.group(owner, [member]))).toBe('FORBIDDEN')
    const outcomes = await Promise.allSettled([one, two, one].map((node) => node.group(owner, [])))
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(await refusal(two.group(owner, []))).toEqual({
      code: 'FORBIDDEN',
      message: 'you created 2 groups today, which is the limit',
    })
    await one.group(other, [])
    expect((await two.chat.groups.create(owner, INFO, [], { isAdmin: true })).memberCount).toBe(1)
    await on().query(`UPDATE users SET groups_created_day = groups_created_day - 1 WHERE id = ${owner}`)
    await one.group(owner, [])
    await Promise.all(nodes.map((node) => node.close()))
  })

  test('members come by user id, page by page', async () => {
    const [a = 0, ...others] = await node.users(6)
    const id = await node.group(a, others)
    for (const read of [
      (after: number) => node.chat.reads.groupMembers(id, after, 4),
      (after: number) => node.chat.reads.conversationMembers(`group_${id}`, after, 4),
    ]) {
      const first = await read(0)
      const second = await read(first.at(-1)?.userId ?? 0)
      expect([...first, ...second].map(({ userId }) => userId)).toEqual([a, ...others])
      expect(await read(others.at(-1) ?? 0)).toEqual([])
      expect(first[0]).toEqual({ userId: a, role: 'OWNER', joinedAt: expect.any(Number) as number })
    }
  })
})

describeServer((on) => {
  test('changes of one group that come at once on several nodes follow one another', async () => {
    const nodes = [createTestChat(on().store), createTestChat((await on().another()).store)] as const
    const [first] = nodes
    const [owner = 0, ...others] = await first.users(13)
    const id = await first.group(owner, [])
    const at = (index: number): Chat => (nodes[index % 2] as TestChat).chat
    // Each comes in by joining and by invitation at once, counts once, and half of them leave again.
    await Promise.all(
      others.flatMap((userId, index) => [at(index).groups.join(userId, id), at(index + 1).groups.invite(owner, id, [userId])]),
    )
    await Promise.all(
      others.slice(0, 6).flatMap((userId, index) => {
        const both = [at(index).groups.leave(userId, id), at(index + 1).groups.remove(owner, id, userId)]
        return [
          Promise.allSettled(both).then((done) => expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)),
        ]
      }),
    )
    const entries = await first.store.log.read({ topic: `group:${id}`, after: 0, until: 1000 }, 1000)
    let count = 1
    for (const { event } of entries.slice(1)) {
      count += event.kind === 'member_joined' ? 1 : -1
      expect(event.payload).toMatchObject({ memberCount: count })
    }
    expect(entries).toHaveLength(1 + 12 + 6)
    expect((await first.chat.reads.groups([id])).get(id)?.memberCount).toBe(7)
    expect(await first.chat.reads.groupMembers(id, 0, 100)).toHaveLength(7)
    first.published.push(...nodes[1].published)
    await first.expectLogPublished()
    for (const node of nodes) await node.close()
  })

  test('of changes for many users one holds locks at a time, and a send comes before the next; admins need not wait', async () => {
    const node = createTestChat(on().store)
    const { groups, messages } = node.chat
    const [admin = 0, a = 0, b = 0, c = 0, sender = 0, ...members] = await node.users(60)
    const [member = 0] = members
    const invitedTo = await node.group(c, [])
    const holder = new pg.Client({ connectionString: on().url })
    await holder.connect()
    try {
      await holder.query('BEGIN')
      await holder.query('SELECT FROM topics WHERE name = $1 FOR UPDATE', [`user:${member}`])
      const first = groups.create(a, INFO, members)
      await expect.poll(() => statementsBehind(holder)).toBe(1)
      const others = [groups.create(a, INFO, members), groups.create(b, INFO, members), groups.invite(c, invitedTo, members)]
      const sent = messages.send(sender, { ...MESSAGE, receiverId: member })
      await expect.poll(() => statementsBehind(holder)).toBe(2)
      const ofAdmin = groups.create(admin, INFO, members, { isAdmin: true })
      await expect.poll(() => statementsBehind(holder)).toBe(3)
      await holder.query('COMMIT')
      await Promise.all([first, ...others, sent, ofAdmin])
    } finally {
      await holder.end()
    }
    const entries = await node.store.log.read({ topic: `user:${member}`, after: 0, until: 100 }, 100)
    const kinds = entries.map(({ event }) => event.kind)
    expect(kinds.slice(0, 3)).toEqual(['group_updated', 'message_sent', 'group_updated'])
    expect(kinds.slice(3).toSorted()).toEqual(['group_updated', 'group_updated', 'member_joined'])
    await node.expectLogPublished()
    await node.close()
  })

  test('of two who hand the group over at once to each other, one owns it', async () => {
    const nodes = [createTestChat(on().store), createTestChat((await on().another()).store)] as const
    const [first, second] = nodes
    for (let round = 0; round < 10; round++) {
      const [a = 0, b = 0, c = 0] = await first.users(3)
      const id = await first.group(a, [b, c])
      await Promise.allSettled([
        first.chat.groups.setRole(a, id, b, 'OWNER'),
        second.chat.groups.setRole(a, id, c, 'OWNER'),
        second.chat.groups.leave(b, id),
      ])
      const roles = (await first.chat.reads.groupMembers(id, 0, 10)).map(({ role }) => role)
      expect(roles.filter((role) => role === 'OWNER')).toHaveLength(1)
    }
    for (const node of nodes) await node.close()
  })
})
