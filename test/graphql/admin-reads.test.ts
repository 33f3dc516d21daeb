import { expect, test } from 'vitest'
import { describeApps, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { connectHttp, type Data } from '../support/graphql-client.ts'

/** What admins see that is not theirs, and the audit log's entries for it. */

const AUDIT = `query ($action: String, $target: ID, $actor: ID) {
  auditLog(action: $action, targetId: $target, actorId: $actor, first: 100) {
    edges { node { action targetType targetId details actor { id } } }
  }
}`
let app: TestApp
describeApps(
  (started) => (app = started),
  () => {
    const send = async (from: TestUser, to: TestUser, content: string): Promise<string> => {
      const input = { receiverId: String(to.id), content }
      const data = await app
        .over(from)
        .data('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }', { input })
      return data.sendMessage.id as string
    }
    const audit = async (filter: Record<string, unknown>): Promise<Data[]> => {
      const { auditLog } = await app.admin.data(AUDIT, filter)
      return auditLog.edges.map(({ node }: Data) => node)
    }
    const direct = (a: TestUser, b: TestUser): string => `direct_${a.id}_${b.id}`

    test('users are found by a part of the name whatever the case, and by the exact id, in pages by id', async () => {
      const [ann, annika, elodie, ming] = [
        await app.user('Ann Xq'),
        await app.user('ANNIKA xQ'),
        await app.user('Élodie 100%_xq'),
        await app.user('王明'),
      ]
      const find = async (args: string): Promise<string[]> => {
        const { users } = await app.admin.data(`{ users(${args}) { edges { node { id } } } }`)
        return users.edges.map(({ node }: Data) => node.id)
      }
      const ids = (...users: TestUser[]): string[] => users.map(({ id }) => String(id))
      expect(await find('search: "ann"')).toEqual(ids(ann, annika))
      expect(await find('search: "éLOD"')).toEqual(ids(elodie))
      expect(await find('search: "明"')).toEqual(ids(ming))
      expect(await find('search: "0%_"')).toEqual(ids(elodie))
      expect(await find('search: "%%"')).toEqual([])
      expect(await find(`search: "${ann.id}"`)).toEqual(ids(ann))
      expect(await find('search: "x"')).toEqual(ids(ann, annika, elodie))
      expect(await find('search: "nobody"')).toEqual([])
      const page = await app.admin.data(
        '{ users(search: "XQ", first: 2) { edges { node { id } } pageInfo { hasNextPage endCursor } } }',
      )
      expect(page.users.pageInfo.hasNextPage).toBe(true)
      expect(await find(`search: "XQ", first: 2, after: "${page.users.pageInfo.endCursor}"`)).toEqual(ids(elodie))
      const socket = await app.ready(annika)
      expect(await find('search: "xq", online: true')).toEqual(ids(annika))
      expect(await find('search: "xq", online: false')).toEqual(ids(ann, elodie))
      expect(await find('search: "xq", banned: false')).toEqual(ids(ann, annika, elodie))
      expect(await find('banned: true')).toEqual([])
      await socket.close()
    })

    test('only admins see when a user was first seen', async () => {
      const ann = await app.user()
      const query = `{ user(id: "${ann.id}") { id createdAt bannedUntil } }`
      expect(await app.over(ann).data(query)).toEqual({ user: { id: String(ann.id), createdAt: null, bannedUntil: null } })
      const { user } = await app.admin.data(query)
      expect(Date.parse(user.createdAt as string)).toBeGreaterThan(Date.now() - 60_000)
    })

    test('an admin reads any conversation and message, which is noted once an hour', async () => {
      const [ann, bob] = [await app.user('Ann'), await app.user('Bob')]
      const message = await send(ann, bob, 'a secret')
      const id = direct(ann, bob)
      const query = `{ conversation(id: "${id}") { unreadCount members { edges { node { id } } } messages { edges { node { content } } } } }`
      const { conversation } = await app.admin.data(query)
      expect(conversation).toMatchObject({ unreadCount: 0, messages: { edges: [{ node: { content: 'a secret' } }] } })
      expect(conversation.members.edges).toHaveLength(2)
      await app.admin.data(query)
      const { message: read } = await app.admin.data(`{ message(id: "${message}") { content readBy { readerId } } }`)
      expect(read.content).toBe('a secret')
      expect(await audit({ target: id })).toEqual([
        { action: 'conversation', targetType: 'Conversation', targetId: id, details: {}, actor: { id: '999' } },
      ])
      const other = connectHttp(app.graphqlUrl, tokenOf({ userId: 998, name: 'Other', isAdmin: true }))
      await other.data(`{ found: message(id: "${message}") { id } }`)
      expect(await audit({ target: id, actor: '998' })).toMatchObject([{ action: 'message' }])
      // Members who are admins read what is theirs.
      const own = connectHttp(app.graphqlUrl, tokenOf({ userId: ann.id, name: 'Ann', isAdmin: true }))
      await own.data(query)
      expect(await audit({ target: id, actor: String(ann.id) })).toEqual([])
    })

    test('a reading in a snapshot is noted too', async () => {
      const [ann, bob] = [await app.user(), await app.user()]
      await send(ann, bob, 'x')
      await app.admin.data(`{ cursor conversation(id: "${direct(ann, bob)}") { id } }`)
      expect(await audit({ target: direct(ann, bob) })).toHaveLength(1)
    })

    test('conversationsOf notes the user, and each conversation whose messages are selected', async () => {
      const [ann, bob, eve] = [await app.user(), await app.user(), await app.user()]
      await send(ann, bob, 'to bob')
      await send(ann, eve, 'to eve')
      const list = (fields: string) =>
        app.admin.data(`query ($id: ID!) { conversationsOf(userId: $id) { edges { node { ${fields} } } } }`, {
          id: String(ann.id),
        })
      const { conversationsOf } = await list('id members { edges { node { id } } }')
      expect(conversationsOf.edges.map(({ node }: Data) => node.id)).toEqual([direct(ann, eve), direct(ann, bob)])
      expect(await audit({ target: String(ann.id), action: 'conversationsOf' })).toHaveLength(1)
      expect(await audit({ target: direct(ann, bob) })).toEqual([])
      await list('messages(first: 1) { edges { node { content } } }')
      for (const id of [direct(ann, bob), direct(ann, eve)])
        expect(await audit({ target: id })).toMatchObject([{ action: 'conversationsOf', targetType: 'Conversation' }])
      const { errors } = await app.admin.run('{ conversationsOf(userId: "2147483647") { edges { cursor } } }')
      expect(errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }])
    })

    test('groups are found by name, and what members see of them is noted', async () => {
      const ann = await app.user()
      const { createGroup } = await app
        .over(ann)
        .data('mutation { createGroup(input: { name: "Spring TRIP", announcement: "warm" }) { id } }')
      const { groups } = await app.admin.data('{ groups(search: "g trip") { edges { node { id name announcement } } } }')
      expect(groups.edges).toEqual([{ node: { id: createGroup.id, name: 'Spring TRIP', announcement: 'warm' } }])
      expect(await audit({ target: `group_${createGroup.id}` })).toHaveLength(1)
    })

    test('admins neither subscribe to conversations of others nor write there', async () => {
      const [ann, bob] = [await app.user(), await app.user()]
      const message = await send(ann, bob, 'x')
      const { ended } = await app.admin.subscribe(
        `subscription { conversationEvents(conversationId: "${direct(ann, bob)}") { id } }`,
      )
      expect(await ended).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }])
      const { errors } = await app.admin.run(`mutation { addReaction(messageId: "${message}", reaction: "👍") { count } }`)
      expect(errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }])
    })

    test('what admins do is in the audit log, without contents', async () => {
      const ann = await app.user('A name')
      const id = String(ann.id)
      await app.admin.data(
        `mutation { pushSystemNotification(notificationType: "t", data: { text: "a secret" }, userIds: ["${id}"]) disconnectUser(userId: "${id}", reason: "why") }`,
      )
      expect(await audit({ action: 'disconnectUser', target: id })).toMatchObject([
        { targetType: 'User', details: { reason: 'why' } },
      ])
      expect(await audit({ action: 'upsertUser', target: id })).toMatchObject([{ details: {} }])
      const [pushed] = await audit({ action: 'pushSystemNotification' })
      expect(pushed).toMatchObject({ details: { notificationType: 't', userIds: [id] } })
      expect(JSON.stringify(await audit({}))).not.toMatch(/a secret|A name/)
    })

    test('a watch with contents is noted before it begins, and entries show up in it', async () => {
      const ann = await app.user()
      const watch = await app.admin.subscribe(
        `subscription { activity(userId: "${ann.id}", contents: true) { kind name content user { id } } }`,
      )
      await expect
        .poll(() => audit({ action: 'activity', target: String(ann.id) }))
        .toMatchObject([{ details: { contents: true } }])
      await expect
        .poll(() => app.logged.some(({ msg, userId }) => msg === 'an administrator watches activity' && userId === ann.id))
        .toBe(true)
      await app.admin.data(`mutation { disconnectUser(userId: "${ann.id}") }`)
      const { data } = await watch.inbox.next((result) => result.data.activity.name === 'disconnectUser')
      expect(data.activity).toMatchObject({ kind: 'AUDIT', user: { id: '999' }, content: { targetType: 'User' } })
      watch.close()
    })

    test('statistics have a day for each, zeros too', async () => {
      const [ann, bob] = [await app.user(), await app.user()]
      const before = (await app.admin.data('{ statistics(days: 3) { date messages activeUsers newUsers newConversations } }'))
        .statistics
      expect(before).toHaveLength(3)
      const today = new Date().toISOString().slice(0, 10)
      expect(before[2].date).toBe(today)
      expect(before[0]).toMatchObject({ messages: 0, activeUsers: 0, newUsers: 0, newConversations: 0 })
      await send(ann, bob, 'x')
      await (await app.ready(bob)).close()
      const count = async () =>
        (await app.admin.data('{ statistics(days: 1) { messages activeUsers newConversations } }')).statistics[0]
      await expect.poll(count).toEqual({
        messages: before[2].messages + 1,
        activeUsers: before[2].activeUsers + 2,
        newConversations: before[2].newConversations + 1,
      })
      for (const days of [0, 367]) {
        const { errors } = await app.admin.run(`{ statistics(days: ${days}) { date } }`)
        expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
      }
    })
  },
)
