import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestApp, TestUser } from './app.ts'
import {
  GRAPHQL_WS,
  LEGACY,
  LEGACY_CAPABLE,
  SSE,
  TRANSPORTS,
  ascending,
  codeOf,
  idsOf,
  textsOf,
  told,
  type ChatClient,
  type Happening,
} from './chat-client.ts'
import type { Data } from './graphql-client.ts'
import { createGroup, direct, eachOf, notify, people, run, say } from './people.ts'

/**
 * What clients of every transport see of each other: one suite, whatever the servers are made of. Each rule is checked over
 * `transports`, of messages that change over `capable` ones, and what clients of different transports have together over all.
 */
export function describeBehaviour(
  start: () => Promise<TestApp>,
  { transports = TRANSPORTS, capable = [LEGACY_CAPABLE, GRAPHQL_WS, SSE] } = {},
): void {
  let app: TestApp
  beforeAll(async () => {
    app = await start()
  })
  afterAll(() => app.stop())

  describe.each(transports)('over $name', (transport) => {
    const connect = (user: TestUser, after?: string): Promise<ChatClient> => transport.connect(app, user, after)
    const connectAll = <K extends string>(of: Record<K, TestUser>): Promise<Record<K, ChatClient>> =>
      eachOf(of, (user) => connect(user))

    test('a message reaches every connection of both users, the sender’s own too, once and in order', async () => {
      const { ann, bob, stranger } = await people(app, 'ann', 'bob', 'stranger')
      const { first, second, third, fourth, alien } = await connectAll({
        first: ann,
        second: ann,
        third: bob,
        fourth: bob,
        alien: stranger,
      })
      await first.send({ to: bob }, 'one')
      await third.send({ to: ann }, 'two')
      await first.send({ to: bob }, 'three 😀')
      const received = await first.settle()
      const about = { kind: 'message_sent', conversation: direct(ann, bob) }
      expect(received).toMatchObject([
        { ...about, user: ann.id, text: 'one' },
        { ...about, user: bob.id, text: 'two' },
        { ...about, user: ann.id, text: 'three 😀' },
      ])
      expect(idsOf(received)).toEqual(ascending(idsOf(received)))
      for (const client of [second, third, fourth]) expect(await client.settle()).toEqual(received)
      expect(await alien.settle()).toEqual([])
    })

    test('a group’s message reaches every connection of every member, and no one else', async () => {
      const { ann, bob, cat, stranger } = await people(app, 'ann', 'bob', 'cat', 'stranger')
      const { id, conversation } = await createGroup(app, ann, [bob, cat])
      const { a, b, b2, c, alien } = await connectAll({ a: ann, b: bob, b2: bob, c: cat, alien: stranger })
      await b.send({ group: conversation }, 'hello')
      const received = await b.settle()
      expect(received).toMatchObject([{ kind: 'message_sent', conversation, group: id, user: bob.id, text: 'hello' }])
      for (const client of [a, b2, c]) expect(await client.settle()).toEqual(received)
      expect(await alien.settle()).toEqual([])
    })

    test('the same key again is a success that stores and pushes nothing; with other content it is a conflict', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { a, b } = await connectAll({ a: ann, b: bob })
      await Promise.all([a.send({ to: bob }, 'once', 'key'), a.send({ to: bob }, 'once', 'key')])
      await a.send({ to: bob }, 'once', 'key')
      expect(await codeOf(a.send({ to: bob }, 'other', 'key'))).toBe('CONFLICT')
      // The key is the sender's own.
      await b.send({ to: ann }, 'mine', 'key')
      expect(textsOf(await a.settle())).toEqual(['once', 'mine'])
      expect(textsOf(await b.settle())).toEqual(['once', 'mine'])
    })

    test('what a user may not do is refused with the same code everywhere', async () => {
      const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
      const muted = await createGroup(app, ann, [bob], 'allowSendMessages: false')
      const { a, b, c } = await connectAll({ a: ann, b: bob, c: cat })
      await a.send({ to: bob }, 'hi')
      const [message] = (await b.settle()) as [Happening]
      const absent = { kind: 'message_sent', id: null, message: 999_999_999 }
      expect(await codeOf(b.send({ group: muted.conversation }, 'hi'))).toBe('FORBIDDEN')
      expect(await codeOf(c.send({ group: muted.conversation }, 'hi'))).toBe('FORBIDDEN')
      expect(await codeOf(c.send({ group: 'group_999999' }, 'hi'))).toBe('NOT_FOUND')
      expect(await codeOf(c.send({ to: cat }, 'hi'))).toBe('BAD_USER_INPUT')
      expect(await codeOf(c.send({ to: { id: 2_000_000_000, name: '' } }, 'hi'))).toBe('NOT_FOUND')
      expect(await codeOf(c.type(direct(ann, bob), true))).toBe('NOT_FOUND')
      expect(await codeOf(c.type(muted.conversation, true))).toBe('FORBIDDEN')
      expect(await codeOf(c.read(message))).toBe('NOT_FOUND')
      expect(await codeOf(c.react(message, '👍'))).toBe('NOT_FOUND')
      expect(await codeOf(b.read(absent))).toBe('NOT_FOUND')
      expect(await codeOf(b.unreact(absent, '👍'))).toBe('NOT_FOUND')
      expect(await codeOf(b.react(message, 'a b'))).toBe('BAD_USER_INPUT')
      expect(await codeOf(a.read(message))).toBe('BAD_USER_INPUT')
      await a.send({ group: muted.conversation }, 'the owner may')
      // The group is new to b, whose node may still be about to listen to it.
      const theOwners = await b.inbox.next(({ text }) => text === 'the owner may')
      expect(theOwners).toMatchObject({ kind: 'message_sent', user: ann.id })
      expect(await told({ a, b, c })).toMatchObject({
        a: [{ text: 'hi' }, { text: 'the owner may' }],
        b: [],
        c: [],
      })
    })

    test('a receipt is told to the sender of the message, once', async () => {
      const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
      const { conversation } = await createGroup(app, ann, [bob, cat])
      const { a, a2, b, c } = await connectAll({ a: ann, a2: ann, b: bob, c: cat })
      await a.send({ group: conversation }, 'hi')
      const [message] = (await b.settle()) as [Happening]
      await told({ a, a2, c })
      await b.read(message)
      await b.read(message)
      await c.read(message)
      const read = { kind: 'message_read', message: message.message }
      const both = [
        { ...read, user: bob.id },
        { ...read, user: cat.id },
      ]
      expect(await told({ a, a2, b, c })).toEqual({ a: both, a2: both, b: [], c: [] })
    })

    test('reactions are told to all members with who gives them now; a repeat pushes nothing', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { a, b } = await connectAll({ a: ann, b: bob })
      await a.send({ to: bob }, 'hi')
      const [message] = (await b.settle()) as [Happening]
      await a.settle()
      await b.react(message, '👍')
      await b.react(message, '👍')
      await a.react(message, '👍')
      await a.react(message, '🎉')
      await b.unreact(message, '👍')
      await b.unreact(message, '👍')
      const change = (kind: string, user: TestUser, reaction: string, by: readonly TestUser[]) => ({
        kind,
        message: message.message,
        user: user.id,
        reaction,
        users: ascending(by.map(({ id }) => id)),
      })
      const all = [
        change('reaction_added', bob, '👍', [bob]),
        change('reaction_added', ann, '👍', [ann, bob]),
        change('reaction_added', ann, '🎉', [ann]),
        change('reaction_removed', bob, '👍', [ann]),
      ]
      expect(await told({ a, b })).toEqual({ a: all, b: all })
    })

    test('typing is told to the others and ends with false or a message', async () => {
      const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
      const { conversation } = await createGroup(app, ann, [bob, cat])
      const { a, a2, b, c } = await connectAll({ a: ann, a2: ann, b: bob, c: cat })
      const typing = (state: boolean, id = conversation) => ({ kind: 'typing', conversation: id, user: ann.id, typing: state })

      await a.type(conversation, true)
      await a.type(conversation, true)
      // The message that ends it may be sent on another node, which must know of it by then.
      expect(await told({ a, a2, b, c })).toEqual({ a: [], a2: [], b: [typing(true)], c: [typing(true)] })
      await a2.type(conversation, false)
      await a2.type(conversation, false)
      expect(await told({ a, a2, b, c })).toEqual({ a: [], a2: [], b: [typing(false)], c: [typing(false)] })

      await a.type(direct(ann, bob), true)
      await a.type(conversation, true)
      const begun = [typing(true, direct(ann, bob)), typing(true)]
      expect(await told({ a, a2, b, c })).toEqual({ a: [], a2: [], b: begun, c: [typing(true)] })
      await a2.send({ group: conversation }, 'hi')
      const { a: own, b: others, c: theirs } = await told({ a, a2, b, c })
      expect(own).toMatchObject([{ kind: 'message_sent' }])
      expect(others?.filter(({ kind }) => kind === 'typing')).toEqual([typing(false)])
      expect(theirs?.filter(({ kind }) => kind === 'typing')).toEqual([typing(false)])

      await a.send({ to: bob }, 'hi')
      const { b: last } = await told({ b })
      expect(last?.filter(({ kind }) => kind === 'typing')).toEqual([typing(false, direct(ann, bob))])
    })

    test.runIf(transport.isSocket)('typing ends when the connection closes that said it last', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { a, a2, b } = await connectAll({ a: ann, a2: ann, b: bob })
      const conversation = direct(ann, bob)
      // Each node has to know what was set on another one before something happens there.
      const ends = async (): Promise<unknown[]> => {
        const { b: others } = await told({ a, a2, b })
        return others.filter(({ typing }) => typing === false)
      }
      await a.type(conversation, true)
      expect(await ends()).toEqual([])
      await a2.type(conversation, true)
      expect(await ends()).toEqual([])
      a.cut()
      const open = async (): Promise<unknown[]> =>
        (await app.admin.data('query ($id: ID!) { connections(userId: $id) { id } }', { id: ann.id })).connections as unknown[]
      await expect.poll(async () => (await open()).length).toBe(1)
      // The second connection set it last: the end of the first ends nothing.
      expect((await b.settle()).filter(({ typing }) => typing === false)).toEqual([])
      a2.cut()
      expect(await b.inbox.next()).toMatchObject({ kind: 'typing', conversation, user: ann.id, typing: false })
      expect(await b.settle()).toEqual([])
    })

    test('groups: whatever happens to one is told to those who are in it then', async () => {
      const { ann, bob, cat, dan, eve } = await people(app, 'ann', 'bob', 'cat', 'dan', 'eve')
      const all = await connectAll({ a: ann, b: bob, c: cat, d: dan, e: eve })
      const { a, b, c } = all
      const { id: group, conversation } = await createGroup(app, ann, [bob])
      const updated = (members: number, name = 'Group') => [{ kind: 'group_updated', group, name, members }]
      const joined = (user: TestUser, members: number) => [{ kind: 'member_joined', group, user: user.id, members }]
      const left = (user: TestUser, members: number) => [{ kind: 'member_left', group, user: user.id, members }]
      expect(await told(all)).toEqual({ a: updated(2), b: updated(2), c: [], d: [], e: [] })

      await run(app, cat, `joinGroup(groupId: ${group})`)
      await run(app, cat, `joinGroup(groupId: ${group})`)
      expect(await told(all)).toEqual({ a: joined(cat, 3), b: joined(cat, 3), c: joined(cat, 3), d: [], e: [] })

      await run(app, ann, `updateGroup(groupId: ${group}, input: { name: "New", joinApprovalRequired: true }) { id }`)
      expect(await told(all)).toEqual({ a: updated(3, 'New'), b: updated(3, 'New'), c: updated(3, 'New'), d: [], e: [] })

      expect(await run(app, dan, `joinGroup(groupId: ${group})`)).toBe('PENDING')
      await run(app, eve, `joinGroup(groupId: ${group})`)
      await run(app, ann, `decideJoinRequest(groupId: ${group}, userId: ${eve.id}, approve: false) { id }`)
      expect(await told(all)).toEqual({ a: [], b: [], c: [], d: [], e: [] })
      await run(app, ann, `decideJoinRequest(groupId: ${group}, userId: ${dan.id}, approve: true) { id }`)
      const four = joined(dan, 4)
      expect(await told(all)).toEqual({ a: four, b: four, c: four, d: four, e: [] })

      // A member's invitation asks, an admin's brings in.
      await run(app, bob, `inviteToGroup(groupId: ${group}, userIds: [${eve.id}]) { id }`)
      expect(await told(all)).toEqual({ a: [], b: [], c: [], d: [], e: [] })
      await run(app, ann, `setGroupRole(groupId: ${group}, userId: ${bob.id}, role: ADMIN) { id }`)
      const role = updated(4, 'New')
      expect(await told(all)).toEqual({ a: role, b: role, c: role, d: role, e: [] })
      await run(app, bob, `inviteToGroup(groupId: ${group}, userIds: [${eve.id}, ${cat.id}]) { id }`)
      const five = joined(eve, 5)
      expect(await told(all)).toEqual({ a: five, b: five, c: five, d: five, e: five })

      await run(app, eve, `leaveGroup(groupId: ${group})`)
      const gone = left(eve, 4)
      expect(await told(all)).toEqual({ a: gone, b: gone, c: gone, d: gone, e: gone })
      await run(app, bob, `removeGroupMember(groupId: ${group}, userId: ${cat.id}) { id }`)
      const removed = left(cat, 3)
      expect(await told(all)).toEqual({ a: removed, b: removed, c: removed, d: removed, e: [] })
      await a.send({ group: conversation }, 'among us')
      const sent = [expect.objectContaining({ text: 'among us' })]
      expect(await told(all)).toEqual({ a: sent, b: sent, c: [], d: sent, e: [] })
      expect(await codeOf(c.send({ group: conversation }, 'let me in'))).toBe('FORBIDDEN')

      // The owner stays until the group is handed over, which changes two roles and is pushed once.
      await expect(run(app, ann, `leaveGroup(groupId: ${group})`)).rejects.toThrow('FORBIDDEN')
      await run(app, ann, `setGroupRole(groupId: ${group}, userId: ${bob.id}, role: OWNER) { id }`)
      await run(app, ann, `leaveGroup(groupId: ${group})`)
      const handed = [...updated(3, 'New'), ...left(ann, 2)]
      expect(await told(all)).toEqual({ a: handed, b: handed, c: [], d: handed, e: [] })

      // Who comes back sees what happens from then on.
      await run(app, bob, `inviteToGroup(groupId: ${group}, userIds: [${cat.id}]) { id }`)
      await b.send({ group: conversation }, 'welcome')
      const back = [...joined(cat, 3), expect.objectContaining({ text: 'welcome' })]
      expect(await told(all)).toEqual({ a: [], b: back, c: back, d: back, e: [] })
    })

    test('a notification is told to the user named, and found later by one who was offline', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { a, b } = await connectAll({ a: ann, b: bob })
      await notify(app, ann, 'first')
      expect(await told({ a, b })).toEqual({ a: [{ kind: 'notification', type: 'first', data: { n: 1 } }], b: [] })
      a.cut()
      await notify(app, ann, 'second')
      const again = await connect(ann, a.cursor())
      expect(await again.settle()).toMatchObject([{ kind: 'notification', type: 'second' }])
      const { notifications } = await app.over(ann).data('{ notifications { edges { node { notificationType readAt } } } }')
      expect(notifications.edges.map(({ node }: Data) => node)).toEqual([
        { notificationType: 'second', readAt: null },
        { notificationType: 'first', readAt: null },
      ])
    })

    test('a changed name reaches all who share a conversation once, and the last one of a burst', async () => {
      const { ann, bob, stranger } = await people(app, 'ann', 'bob', 'stranger')
      await createGroup(app, ann, [bob])
      await createGroup(app, ann, [bob])
      await say(app, ann, bob, 'hi')
      const clients = await connectAll({ a: ann, a2: ann, b: bob, alien: stranger })
      const { a, a2, b, alien } = clients
      await told(clients)
      const rename = (name: string) => app.admin.data(`mutation { upsertUser(id: ${ann.id}, name: "${name}") { id } }`)
      for (const name of ['First', 'Second', 'Third']) await rename(name)
      // Legacy clients are not notified unless they ask for it.
      const watching = transport === LEGACY ? [] : [a, a2, b]
      const ends = watching.map(async ({ inbox }) => {
        const names: (string | undefined)[] = []
        while (names.at(-1) !== 'Third') names.push((await inbox.next(({ kind }) => kind === 'user_updated')).name)
        return names
      })
      for (const names of await Promise.all(ends)) expect(names.length).toBeLessThanOrEqual(2)
      for (const client of [a, a2, b, alien]) expect(await client.settle()).toEqual([])
    })

    test('a block: both are refused alike, typing ends, neither sees the other’s presence; groups go on', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { conversation } = await createGroup(app, ann, [bob])
      const { a, a2, b } = await connectAll({ a: ann, a2: ann, b: bob })
      await a.send({ to: bob }, 'hi')
      const [message] = (await b.settle()) as [Happening]
      await b.react(message, '👍')
      await a.type(direct(ann, bob), true)
      await told({ a, a2, b })
      const isTold = (user: TestUser, blocked: boolean) =>
        transport === LEGACY ? [] : [{ kind: 'block_changed', user: user.id, blocked }]

      await run(app, ann, `blockUser(userId: ${bob.id}) { id }`)
      await run(app, ann, `blockUser(userId: ${bob.id}) { id }`)
      const typing = { kind: 'typing', conversation: direct(ann, bob), user: ann.id, typing: false }
      expect(await told({ a, a2, b })).toEqual({ a: isTold(bob, true), a2: isTold(bob, true), b: [typing] })
      for (const [client, other] of [
        [a, bob],
        [a2, bob],
        [b, ann],
      ] as const) {
        await client.presence.next(({ user, online }) => user === other.id && online === false)
        client.presence.drain()
        expect(await codeOf(client.send({ to: other }, 'let me'))).toBe('FORBIDDEN')
        expect(await codeOf(client.type(direct(ann, bob), true))).toBe('FORBIDDEN')
        expect(await codeOf(client.react(message, '🎉'))).toBe('FORBIDDEN')
        const seen = await app
          .over(client.user)
          .data('query ($id: ID!) { user(id: $id) { online lastActive } }', { id: other.id })
        expect(seen.user).toEqual({ online: false, lastActive: null })
      }
      await b.unreact(message, '👍')
      await b.read(message)
      await b.send({ group: conversation }, 'among others')
      const { a: after } = await told({ a, a2, b })
      expect(after.map(({ kind }) => kind)).toEqual(['reaction_removed', 'message_read', 'message_sent'])

      const again = await connect(bob)
      again.cut()
      await run(app, ann, `unblockUser(userId: ${bob.id}) { id }`)
      expect(await told({ a, a2 })).toEqual({ a: isTold(bob, false), a2: isTold(bob, false) })
      for (const [client, other] of [
        [a, bob],
        [a2, bob],
        [b, ann],
      ] as const) {
        expect(await client.presence.next()).toMatchObject({ user: other.id, online: true })
      }
      await b.send({ to: ann }, 'again')
      expect(textsOf(await a.settle())).toEqual(['again'])
    })

    test('unread counts go up with others’ messages and down with receipts', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { a, b } = await connectAll({ a: ann, b: bob })
      const unread = async (user: TestUser): Promise<number> =>
        (await app.over(user).data('query ($id: ID!) { conversation(id: $id) { unreadCount } }', { id: direct(ann, bob) }))
          .conversation.unreadCount
      for (const text of ['one', 'two', 'three']) await a.send({ to: bob }, text)
      await b.send({ to: ann }, 'four')
      expect([await unread(ann), await unread(bob)]).toEqual([1, 3])
      const [, second, third] = (await b.settle()) as [Happening, Happening, Happening]
      await b.read(second)
      await b.read(second)
      expect([await unread(ann), await unread(bob)]).toEqual([1, 2])
      await run(app, bob, `markConversationRead(conversationId: "${direct(ann, bob)}", upToMessageId: ${third.message})`)
      expect([await unread(ann), await unread(bob)]).toEqual([1, 0])
      const read = (await a.settle()).filter(({ kind }) => kind === 'message_read')
      expect(read).toHaveLength(3)
    })
  })

  describe.each(capable)('messages that change, over $name', (transport) => {
    const connectAll = <K extends string>(of: Record<K, TestUser>): Promise<Record<K, ChatClient>> =>
      eachOf(of, (user) => transport.connect(app, user))
    const about = ({ message, conversation, group }: Happening) => ({
      message,
      conversation,
      ...(group === undefined ? {} : { group }),
    })

    test('an edit and a deletion reach every connection of every member in order, the sender’s too; repeats reach nobody', async () => {
      const { ann, bob, cat, stranger } = await people(app, 'ann', 'bob', 'cat', 'stranger')
      const { conversation } = await createGroup(app, ann, [bob, cat])
      const { a, a2, b, c, alien } = await connectAll({ a: ann, a2: ann, b: bob, c: cat, alien: stranger })
      await told({ a, a2, b, c, alien })
      await a.send({ group: conversation }, 'helo')
      const [message] = (await a.settle()) as [Happening]
      await told({ a2, b, c, alien })
      await a2.edit(message, 'hello')
      await a.edit(message, 'hello')
      await b.react(message, '👍')
      await a.delete(message)
      await a2.delete(message)
      const { conversation: where, ...changed } = about(message)
      const all = [
        { kind: 'message_edited', ...changed, conversation: where, user: ann.id, text: 'hello' },
        { kind: 'reaction_added', message: message.message, user: bob.id, reaction: '👍', users: [bob.id] },
        { kind: 'message_deleted', message: message.message, conversation: where, user: ann.id },
      ]
      expect(await told({ a, a2, b, c, alien })).toEqual({ a: all, a2: all, b: all, c: all, alien: [] })
    })

    test('who may not is refused with the same code everywhere, and nobody receives anything', async () => {
      const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
      const { conversation } = await createGroup(app, ann, [bob])
      const { a, b, c } = await connectAll({ a: ann, b: bob, c: cat })
      await a.send({ group: conversation }, 'hi')
      const [message] = (await b.settle()) as [Happening]
      expect(await codeOf(b.edit(message, 'mine'))).toBe('FORBIDDEN')
      expect(await codeOf(b.delete(message))).toBe('FORBIDDEN')
      expect(await codeOf(c.edit(message, 'mine'))).toBe('NOT_FOUND')
      expect(await codeOf(c.delete(message))).toBe('NOT_FOUND')
      expect(await codeOf(a.edit(message, ''))).toBe('BAD_USER_INPUT')
      expect(await codeOf(a.edit(message, 'x', [cat]))).toBe('BAD_USER_INPUT')
      expect(await codeOf(b.send({ group: conversation }, 'x', undefined, { mentions: [cat] }))).toBe('BAD_USER_INPUT')
      await a.delete(message)
      expect(await codeOf(a.edit(message, 'again'))).toBe('NOT_FOUND')
      expect(await codeOf(b.react(message, '👍'))).toBe('NOT_FOUND')
      expect(await codeOf(b.send({ group: conversation }, 'x', undefined, { replyTo: message }))).toBe('NOT_FOUND')
      await run(app, ann, `updateGroup(groupId: ${message.group}, input: { allowSendMessages: false }) { id }`)
      const { b: seen } = await told({ b })
      expect(seen.map(({ kind }) => kind)).toEqual(['message_deleted', 'group_updated'])
    })

    test('an answer and its mentions are told, and kept by an edit that has none', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { a, b } = await connectAll({ a: ann, b: bob })
      await a.send({ to: bob }, 'a question')
      const [question] = (await b.settle()) as [Happening]
      await b.send({ to: ann }, 'an answer', undefined, { replyTo: question, mentions: [ann, bob, ann] })
      const quotes = { replyTo: question.message, mentions: ascending([ann.id, bob.id]) }
      const { a: received } = await told({ a, b })
      expect(received).toMatchObject([{ text: 'a question' }, { text: 'an answer', ...quotes }])
      const answer = received[1] as Happening
      await b.edit(answer, 'a better answer')
      await b.edit(answer, 'a better answer', [])
      await a.delete(question)
      const changed = (text: string, more: object) => ({ kind: 'message_edited', ...about(answer), user: bob.id, text, ...more })
      const all = [
        changed('a better answer', quotes),
        changed('a better answer', { replyTo: question.message }),
        { kind: 'message_deleted', message: question.message, conversation: question.conversation, user: ann.id },
      ]
      expect(await told({ a, b })).toEqual({ a: all, b: all })
    })

    test('what is read on one device reaches the others', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { a, b, b2 } = await connectAll({ a: ann, b: bob, b2: bob })
      for (const text of ['one', 'two', 'three']) await a.send({ to: bob }, text)
      const [, second] = (await b.settle()) as [Happening, Happening, Happening]
      await b.read(second)
      await run(app, bob, `markConversationRead(conversationId: "${second.conversation}", upToMessageId: ${second.message})`)
      await told({ a, b, b2 })
      expect(a.reads.drain()).toEqual([])
      const [last] = b.reads.drain().toReversed()
      expect(last).toMatchObject({ conversation: second.conversation, message: second.message, unread: 1 })
      expect(b2.reads.drain().at(-1)).toEqual(last)
    })

    test('each request that changes what is read has one event, marking unread too', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { a, b, b2 } = await connectAll({ a: ann, b: bob, b2: bob })
      for (const text of ['one', 'two', 'three']) await a.send({ to: bob }, text)
      const [first, , third] = (await b.settle()) as [Happening, Happening, Happening]
      const conversation = direct(ann, bob)
      const upTo = `markConversationRead(conversationId: "${conversation}", upToMessageId: ${third.message})`
      const from = `markConversationUnread(conversationId: "${conversation}", fromMessageId: ${first.message})`
      await b.read(third)
      expect([await run(app, bob, upTo), await run(app, bob, upTo)]).toEqual([2, 0])
      expect([await run(app, bob, from), await run(app, bob, from)]).toEqual([3, 3])
      await b.read(first)
      await told({ a, b, b2 })
      const counts = (client: ChatClient) => client.reads.drain().map(({ unread }) => unread)
      expect([counts(b), counts(b2), counts(a)]).toEqual([[2, 0, 3, 2], [2, 0, 3, 2], []])
    })

    test('what happens to messages from before somebody joined is not told to them where the history is hidden', async () => {
      const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
      const { id, conversation } = await createGroup(app, ann, [bob], 'historyVisible: false')
      const { a, b, c } = await connectAll({ a: ann, b: bob, c: cat })
      await a.send({ group: conversation }, 'before')
      const [before] = (await b.settle()) as [Happening]
      await run(app, ann, `inviteToGroup(groupId: ${id}, userIds: [${cat.id}]) { id }`)
      await b.react(before, '👍')
      await a.edit(before, 'edited')
      await a.delete(before)
      await a.send({ group: conversation }, 'after')
      const after = await c.inbox.next(({ text }) => text === 'after')
      await b.react(after, '👍')
      await a.edit(after, 'edited')
      await told({ a, b })
      const seen = (await c.settle()).map(({ kind, message }) => [kind, message])
      expect(seen).toEqual([
        ['member_joined', undefined],
        ['reaction_added', after.message],
        ['message_edited', after.message],
      ])
    })

    test('a resume brings what was edited and deleted meanwhile, as it is by then', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { a, b } = await connectAll({ a: ann, b: bob })
      await a.send({ to: bob }, 'before')
      const [before] = (await b.settle()) as [Happening]
      b.cut()
      await a.edit(before, 'edited')
      await a.send({ to: bob }, 'to be deleted')
      const deleted = (await a.settle()).at(-1) as Happening
      await a.edit(before, 'edited again')
      await a.delete(deleted)
      const again = await transport.connect(app, bob, b.cursor())
      const missed = await again.settle()
      const isLegacy = transport === LEGACY_CAPABLE
      expect(missed.map(({ kind, message, text }) => [kind, message, text])).toEqual([
        ['message_edited', before.message, 'edited again'],
        // GraphQL shows a message that is deleted by now, without its content.
        ...(isLegacy ? [] : [['message_sent', deleted.message, '']]),
        ['message_edited', before.message, 'edited again'],
        ['message_deleted', deleted.message, undefined],
      ])
    })
  })

  test('a legacy socket without capabilities receives nothing of edits and deletions', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const [a, b] = await Promise.all([GRAPHQL_WS.connect(app, ann), LEGACY.connect(app, bob)])
    await a.send({ to: bob }, 'hi')
    const [message] = (await a.settle()) as [Happening]
    await a.edit(message, 'ho')
    await a.delete(message)
    expect(textsOf(await b.settle())).toEqual(['hi'])
    expect(await codeOf(b.edit(message, 'hu'))).toBe('BAD_USER_INPUT')
    const again = await LEGACY.connect(app, bob, '0')
    expect(await again.settle()).toEqual([])
  })

  const PAIRS = TRANSPORTS.flatMap((one) => TRANSPORTS.filter((other) => other !== one).map((other) => [one, other] as const))

  describe('across transports', () => {
    test.each(PAIRS.map(([one, other]) => ({ one, other, from: one.name, to: other.name })))(
      '$to is told what is done over $from',
      async ({ one, other }) => {
        const { ann, bob } = await people(app, 'ann', 'bob')
        const [a, b] = await Promise.all([one.connect(app, ann), other.connect(app, bob)])
        const conversation = direct(ann, bob)
        await a.type(conversation, true)
        await a.send({ to: bob }, 'hi')
        const first = await b.inbox.next(({ kind }) => kind === 'message_sent')
        expect(await a.settle()).toEqual([first])
        await b.settle()
        await b.read(first)
        await a.react(first, '❤️')
        await a.unreact(first, '❤️')
        const reactions = [
          { kind: 'reaction_added', message: first.message, user: ann.id, reaction: '❤️', users: [ann.id] },
          { kind: 'reaction_removed', message: first.message, user: ann.id, reaction: '❤️', users: [] },
        ]
        expect(await told({ a, b })).toEqual({
          a: [{ kind: 'message_read', message: first.message, user: bob.id }, ...reactions],
          b: reactions,
        })
      },
    )

    test('a user is online while any connection of any transport is open, told once to those who share a conversation', async () => {
      const { ann, bob, stranger } = await people(app, 'ann', 'bob', 'stranger')
      await say(app, ann, bob, 'hi')
      const watching = await Promise.all(TRANSPORTS.map((transport) => transport.connect(app, bob)))
      const strangers = await Promise.all(TRANSPORTS.map((transport) => transport.connect(app, stranger)))
      const online = async (): Promise<boolean> =>
        (await app.over(bob).data('query ($id: ID!) { user(id: $id) { online } }', { id: ann.id })).user.online
      expect(await online()).toBe(false)
      const opened: ChatClient[] = []
      for (const transport of TRANSPORTS) opened.push(await transport.connect(app, ann))
      for (const { presence } of watching) expect(await presence.next()).toMatchObject({ id: null, user: ann.id, online: true })
      expect(await online()).toBe(true)
      for (const { cut } of opened) cut()
      // Anything sent in between would have arrived before.
      for (const { presence } of watching) expect(await presence.next()).toMatchObject({ id: null, user: ann.id, online: false })
      expect(await online()).toBe(false)
      await Promise.all([...watching, ...strangers].map((client) => client.settle()))
      for (const { presence } of [...watching, ...strangers]) expect(presence.waiting).toEqual([])
    })

    test('a burst from two senders arrives whole, and in order of ids in each conversation, at every client', async () => {
      const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
      const { conversation } = await createGroup(app, ann, [bob, cat])
      const clients = await Promise.all([
        ...[ann, bob].flatMap((user) => TRANSPORTS.map((transport) => transport.connect(app, user))),
        SSE.connect(app, cat),
      ])
      const [overLegacy, overSocket] = await Promise.all([LEGACY.connect(app, ann), GRAPHQL_WS.connect(app, bob)])
      // A socket may have 100 operations open, the subscription included.
      const numbers = Array.from({ length: 45 }, (_, number) => number)
      await Promise.all(
        numbers.flatMap((number) => [
          overLegacy.send({ group: conversation }, `ann ${number}`),
          overSocket.send({ group: conversation }, `bob ${number}`),
          overLegacy.send({ to: bob }, `ann ${number}`),
          overSocket.send({ to: ann }, `bob ${number}`),
        ]),
      )
      const expected = new Set(numbers.flatMap((number) => [`ann ${number}`, `bob ${number}`]))
      const inGroup = (happenings: readonly Happening[]) => happenings.filter(({ group }) => group !== undefined)
      const inDirect = (happenings: readonly Happening[]) => happenings.filter(({ group }) => group === undefined)
      for (const client of [...clients, overLegacy, overSocket]) {
        const received = await client.settle()
        const parts = client.user === cat ? [inGroup(received)] : [inGroup(received), inDirect(received)]
        expect(received).toHaveLength(2 * numbers.length * parts.length)
        for (const part of parts) {
          expect(new Set(textsOf(part))).toEqual(expected)
          expect(idsOf(part)).toEqual(ascending(idsOf(part)))
        }
      }
    })

    test('what is sent right behind a subscription on one socket is executed when it is attached', async () => {
      const LIVE = 'subscription ($id: ID) { messageSent(conversationId: $id) { content } }'
      const HISTORY = 'query ($id: ID!) { conversation(id: $id) { messages(first: 100) { edges { node { content } } } } }'
      const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { conversation } = await createGroup(app, bob, [ann])
      const writer = await LEGACY.connect(app, bob)
      const written: string[] = []
      let isWriting = true
      const writing = (async () => {
        while (isWriting) {
          const text = `w${written.length}`
          await writer.send({ group: conversation }, text)
          written.push(text)
        }
      })()
      for (let round = 0; round < 6; round++) {
        const socket = app.graphqlWs(ann)
        await socket.run('{ viewer { id } }')
        const options = { untilOpen: false }
        const [live, history, own] = await Promise.all([
          socket.subscribe(LIVE, { id: conversation }, options),
          socket.data(HISTORY, { id: conversation }),
          socket.subscribe(LIVE, {}, options),
          socket.data(SEND, { input: { conversationId: conversation, content: `own ${round}` } }),
        ])
        await own.inbox.next(({ data }) => data.messageSent.content === `own ${round}`)
        const first = (await live.inbox.next(({ data }) => data.messageSent.content.startsWith('w'))).data.messageSent.content
        const known: string[] = history.conversation.messages.edges.map(({ node }: Data) => node.content)
        const last = known.find((text) => text.startsWith('w')) ?? 'w-1'
        expect(Number(first.slice(1))).toBeLessThanOrEqual(Number(last.slice(1)) + 1)
        await socket.close()
      }
      isWriting = false
      await writing
    })

    test('mutations of one graphql-ws socket run in the order in which they were sent', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const { conversation } = await createGroup(app, bob, [ann])
      const [watching, socket] = [await GRAPHQL_WS.connect(app, ann), app.graphqlWs(bob)]
      const rename = (name: string) =>
        socket.data('mutation ($id: ID!, $name: String) { updateGroup(groupId: $id, input: { name: $name }) { id } }', {
          id: conversation.slice('group_'.length),
          name,
        })
      const send = (content: string) =>
        socket.data('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }', {
          input: { conversationId: conversation, content },
        })
      await Promise.all([1, 2, 3].flatMap((n) => [send(`a${n}`), send(`b${n}`), rename(`name ${n}`)]))
      const happened = (await watching.settle()).map(({ text, name }) => text ?? name)
      expect(happened).toEqual([1, 2, 3].flatMap((n) => [`a${n}`, `b${n}`, `name ${n}`]))
    })

    test('what is sent right behind a resume on a legacy socket is executed after it', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      await say(app, bob, ann, 'missed')
      const socket = await app.ready(ann)
      socket.send({ type: 'resume', message_id: 'resume', data: { last_message_id: '0' } })
      socket.send({ type: 'message_sent', message_id: 'send', data: { receiver_id: bob.id, content: 'own' } })
      await socket.inbox.next(({ data }) => data?.content === 'own')
      const came = socket.texts.map((text) => JSON.parse(text)).filter(({ type }) => type !== 'connection_established')
      expect(came.filter(({ message_id, data }) => message_id === 'resume' || data?.content !== undefined)).toMatchObject([
        { data: { content: 'missed' } },
        { message_id: 'resume', data: { replayed: 1, complete: true } },
        { data: { content: 'own' } },
      ])
    })

    test('one legacy socket’s messages are stored in the order in which they were sent', async () => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const [a, b] = await Promise.all([LEGACY.connect(app, ann), GRAPHQL_WS.connect(app, bob)])
      const texts = Array.from({ length: 60 }, (_, number) => `number ${number}`)
      await Promise.all(texts.map((text) => a.send({ to: bob }, text)))
      expect(textsOf(await b.settle())).toEqual(texts)
    })
  })
}
