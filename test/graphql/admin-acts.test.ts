import { expect, test } from 'vitest'
import { describeApps, type TestApp, type TestUser } from '../support/app.ts'
import type { Data, GraphqlClient } from '../support/graphql-client.ts'

/** Reports, mutes and deletions by admins. */

let app: TestApp
describeApps(
  (started) => (app = started),
  () => {
    const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'
    const send = async (
      from: TestUser,
      to: { receiverId: string } | { conversationId: string },
      content: string,
    ): Promise<string> => (await app.over(from).data(SEND, { input: { ...to, content } })).sendMessage.id as string
    const codeOf = async (client: GraphqlClient, query: string, variables = {}): Promise<string | undefined> =>
      (await client.run(query, variables)).errors?.[0]?.extensions.code
    const REPORT = `mutation ($id: ID!, $reason: String!) {
    reportMessage(messageId: $id, reason: $reason) { id status reason content message { id } reporter { id } note resolvedBy { id } }
  }`
    const RESOLVE = `mutation ($id: ID!, $status: ReportStatus!) {
    resolveReport(id: $id, status: $status, note: "seen") { id status note resolvedBy { id } resolvedAt message { content } }
  }`
    const audit = async (action: string, target: string): Promise<Data[]> => {
      const { auditLog } = await app.admin.data(
        'query ($action: String, $target: ID) { auditLog(action: $action, targetId: $target) { edges { node { details targetType } } } }',
        { action, target },
      )
      return auditLog.edges.map(({ node }: Data) => node)
    }

    test('a report goes from the member to the queue, and the decision back', async () => {
      const [ann, bob, eve] = [await app.user(), await app.user(), await app.user()]
      const message = await send(ann, { receiverId: String(bob.id) }, 'something bad')
      const watch = await app.admin.subscribe(
        `subscription { activity(userId: "${ann.id}", contents: true) { kind name user { id } content } }`,
      )
      await expect.poll(() => audit('activity', String(ann.id))).toHaveLength(1)
      const report = { id: message, reason: 'rude' }
      const { reportMessage } = await app.over(bob).data(REPORT, report)
      expect(reportMessage).toMatchObject({
        status: 'OPEN',
        reason: 'rude',
        content: 'something bad',
        message: { id: message },
        reporter: { id: String(bob.id) },
      })
      expect((await app.over(bob).data(REPORT, { id: message, reason: 'again' })).reportMessage).toMatchObject({
        id: reportMessage.id,
        reason: 'rude',
      })
      const { data } = await watch.inbox.next((result) => result.data.activity.kind === 'REPORT')
      expect(data.activity).toMatchObject({ name: 'reportMessage', user: { id: String(bob.id) }, content: { reason: 'rude' } })
      watch.close()
      expect(await codeOf(app.over(ann), REPORT, report)).toBe('BAD_USER_INPUT')
      expect(await codeOf(app.over(eve), REPORT, report)).toBe('NOT_FOUND')
      expect(await codeOf(app.over(bob), REPORT, { ...report, reason: '' })).toBe('BAD_USER_INPUT')

      const queue = async (args = ''): Promise<string[]> => {
        const { reports } = await app.admin.data(`{ reports${args} { edges { node { id message { id } } } } }`)
        return reports.edges.map(({ node }: Data) => node.id)
      }
      expect(await queue()).toEqual([reportMessage.id])
      const id = reportMessage.id as string
      expect(await codeOf(app.admin, RESOLVE, { id, status: 'OPEN' })).toBe('BAD_USER_INPUT')
      const legacy = await app.ready(bob)
      const { resolveReport } = await app.admin.data(RESOLVE, { id, status: 'ACTED' })
      expect(resolveReport).toMatchObject({
        status: 'ACTED',
        note: 'seen',
        resolvedBy: { id: '999' },
        message: { content: 'something bad' },
      })
      const pushed = await legacy.inbox.next(({ type }) => type === 'notification')
      expect(pushed.data).toEqual({
        notification_type: 'report_resolved',
        data: { reportId: id, messageId: message, status: 'ACTED' },
      })
      expect((await app.admin.data(RESOLVE, { id, status: 'ACTED' })).resolveReport.resolvedAt).toBe(resolveReport.resolvedAt)
      expect(await codeOf(app.admin, RESOLVE, { id, status: 'DISMISSED' })).toBe('CONFLICT')
      expect(await queue()).toEqual([])
      expect(await queue('(status: null)')).toEqual([id])
      expect(await audit('resolveReport', id)).toEqual([{ details: { status: 'ACTED' }, targetType: 'Report' }])
      // Reporters see neither who decided nor what was noted.
      expect((await app.over(bob).data(REPORT, report)).reportMessage).toMatchObject({
        status: 'ACTED',
        note: null,
        resolvedBy: null,
      })
    })

    test('the report keeps what was said, also when the message is deleted, which then can not be reported', async () => {
      const [ann, bob] = [await app.user(), await app.user()]
      const [one, two] = [
        await send(ann, { receiverId: String(bob.id) }, 'one'),
        await send(ann, { receiverId: String(bob.id) }, 'two'),
      ]
      const { reportMessage } = await app.over(bob).data(REPORT, { id: one, reason: 'x' })
      await app
        .over(ann)
        .data(`mutation { a: deleteMessage(messageId: "${one}") { id } b: deleteMessage(messageId: "${two}") { id } }`)
      const { reports } = await app.admin.data('{ reports { edges { node { id content message { content deletedAt } } } } }')
      const { node } = reports.edges.find((edge: Data) => edge.node.id === reportMessage.id)
      expect(node).toMatchObject({ content: 'one', message: { content: '', deletedAt: expect.any(String) as string } })
      expect(await codeOf(app.over(bob), REPORT, { id: two, reason: 'x' })).toBe('NOT_FOUND')
    })

    const MUTE = `mutation ($group: ID!, $user: ID!, $until: DateTime) {
    muteGroupMember(groupId: $group, userId: $user, until: $until) { user { id } mutedUntil }
  }`

    test('a muted member reads and reacts, and neither sends nor types; to become ADMIN lifts it', async () => {
      const [owner, ann, bob] = [await app.user(), await app.user(), await app.user()]
      const { createGroup } = await app
        .over(owner)
        .data('mutation ($ids: [ID!]!) { createGroup(input: { name: "G", memberIds: $ids }) { id conversation { id } } }', {
          ids: [String(ann.id), String(bob.id)],
        })
      const [group, conversationId] = [createGroup.id as string, createGroup.conversation.id as string]
      const message = await send(owner, { conversationId }, 'hello')
      const until = new Date(Date.now() + 3_600_000).toISOString()
      const client = await app.ready(bob)
      const user = String(ann.id)
      expect((await app.over(owner).data(MUTE, { group, user, until })).muteGroupMember).toEqual({
        user: { id: user },
        mutedUntil: until,
      })
      expect((await client.inbox.next(({ type }) => type === 'group_updated')).data.update_type).toBe('group_info')
      expect(await codeOf(app.over(ann), SEND, { input: { conversationId, content: 'x' } })).toBe('FORBIDDEN')
      expect(await codeOf(app.over(ann), `mutation { setTyping(conversationId: "${conversationId}", typing: true) }`)).toBe(
        'FORBIDDEN',
      )
      await app.over(ann).data(`mutation { addReaction(messageId: "${message}", reaction: "👍") { count } }`)
      await app.over(owner).data(MUTE, { group, user, until })
      expect((await client.settle()).filter(({ type }) => type === 'group_updated')).toEqual([])
      const members = `{ group(id: "${group}") { members { edges { node { user { id } mutedUntil } } } } }`
      const seen = async (who: GraphqlClient): Promise<unknown> =>
        (await who.data(members)).group.members.edges.find(({ node }: Data) => node.user.id === user).node.mutedUntil
      expect(await seen(app.over(ann))).toBe(until)
      expect(await seen(app.over(owner))).toBe(until)
      expect(await seen(app.over(bob))).toBeNull()
      expect(await codeOf(app.over(bob), MUTE, { group, user, until: null })).toBe('FORBIDDEN')
      expect(await codeOf(app.over(owner), MUTE, { group, user: String(owner.id), until })).toBe('FORBIDDEN')
      expect(await codeOf(app.over(owner), MUTE, { group, user: '2147483647', until })).toBe('NOT_FOUND')
      expect(await codeOf(app.over(owner), MUTE, { group, user, until: '2020-01-01T00:00:00Z' })).toBe('BAD_USER_INPUT')
      await app.over(owner).data(`mutation { setGroupRole(groupId: "${group}", userId: "${user}", role: ADMIN) { id } }`)
      await send(ann, { conversationId }, 'again')
      // An administrator of the installation, who is in no group.
      await app.admin.data(MUTE, { group, user: String(bob.id), until })
      expect(await audit('muteGroupMember', group)).toEqual([{ targetType: 'Group', details: { userId: String(bob.id), until } }])
      await app.admin.data(MUTE, { group, user: String(bob.id), until: null })
      await send(bob, { conversationId }, 'free')
      expect(await audit('muteGroupMember', group)).toHaveLength(2)
    })

    test('deleteMessagesOf deletes what was sent since a time, everywhere, each pushed', async () => {
      const [ann, bob, eve] = [await app.user(), await app.user(), await app.user()]
      const before = await send(ann, { receiverId: String(bob.id) }, 'before')
      await expect.poll(() => new Date().toISOString() > new Date(Date.now() - 5).toISOString()).toBe(true)
      const { message } = await app.over(ann).data(`{ message(id: "${before}") { timestamp } }`)
      const since = new Date(Date.parse(message.timestamp as string) + 1).toISOString()
      const ids = [await send(ann, { receiverId: String(bob.id) }, 'one'), await send(ann, { receiverId: String(eve.id) }, 'two')]
      await send(bob, { receiverId: String(ann.id) }, 'of bob')
      const events = await app
        .graphqlWs(bob)
        .subscribe(
          'subscription { events { __typename ... on MessageDeleted { messageId deletedById } } }',
          {},
          { untilOpen: true },
        )
      const { deleteMessagesOf } = await app.admin.data(
        'mutation ($id: ID!, $since: DateTime!) { deleteMessagesOf(userId: $id, since: $since) }',
        { id: String(ann.id), since },
      )
      expect(deleteMessagesOf).toBe(2)
      const { data } = await events.inbox.next((result) => result.data.events.__typename === 'MessageDeleted')
      expect(data.events).toMatchObject({ messageId: ids[0], deletedById: '999' })
      const { conversation } = await app
        .over(bob)
        .data(`{ conversation(id: "direct_${ann.id}_${bob.id}") { messages { edges { node { content deletedAt } } } } }`)
      expect(conversation.messages.edges.map(({ node }: Data) => node.content)).toEqual(['of bob', '', 'before'])
      expect(await audit('deleteMessagesOf', String(ann.id))).toEqual([{ targetType: 'User', details: { since } }])
      events.close()
    })

    test('deleteMessage of an admin is audited where only an admin could do it', async () => {
      const [ann, bob] = [await app.user(), await app.user()]
      const id = await send(ann, { receiverId: String(bob.id) }, 'x')
      await app.admin.data(`mutation { deleteMessage(messageId: "${id}") { id } }`)
      expect(await audit('deleteMessage', id)).toEqual([{ targetType: 'Message', details: {} }])
    })

    test('an erased user is shut out until upsertUser, and a resume over the place is complete on both protocols', async () => {
      const [ann, bob] = [await app.user('A secret name'), await app.user()]
      const message = await send(ann, { receiverId: String(bob.id) }, 'a secret')
      await send(bob, { receiverId: String(ann.id) }, 'an answer')
      await app.over(ann).data(`mutation { addReaction(messageId: "${message}", reaction: "👍") { count } }`)
      const client = await app.ready(ann)
      const events = await app
        .graphqlWs(bob)
        .subscribe('subscription { events { __typename id ... on UserErased { userId } } }', {}, { untilOpen: true })
      const { eraseUser } = await app.admin.data('mutation ($id: ID!) { eraseUser(userId: $id) }', { id: String(ann.id) })
      expect(eraseUser).toBe(1)
      expect(await client.closed).toEqual({ code: 4403, reason: 'banned' })
      const erased = await events.inbox.next(({ data }) => data.events.__typename === 'UserErased')
      expect(erased.data.events.userId).toBe(String(ann.id))
      events.close()
      expect(await codeOf(app.over(ann), '{ viewer { id } }')).toBe('FORBIDDEN')
      expect(await app.legacy(ann).catch((error: unknown) => error)).toMatchObject({ status: 403 })
      const { user } = await app.admin.data(`{ user(id: "${ann.id}") { name bannedUntil } }`)
      expect(user).toEqual({ name: `user${ann.id}`, bannedUntil: null })

      const legacy = await app.ready(bob)
      const resumed = await legacy.request('resume', { last_message_id: '0' })
      expect(resumed).toMatchObject({ code: 200, data: { complete: true } })
      expect(legacy.texts.join()).not.toContain('secret')
      const replayed = await app
        .over(bob)
        .subscribe(
          'subscription { events(after: "0") { __typename id ... on MessageSent { message { content sender { name } deletedAt } } } }',
        )
      const names: string[] = []
      do names.push((await replayed.inbox.next()).data.events.__typename as string)
      while (names.at(-1) !== 'UserErased')
      expect(names).toEqual(['MessageSent', 'MessageSent', 'UserErased'])
      replayed.close()

      await app.admin.data(`mutation { upsertUser(id: "${ann.id}", name: "Another") { name } }`)
      await app.over(ann).data('{ viewer { id } }')
      expect(await audit('eraseUser', String(ann.id))).toEqual([{ targetType: 'User', details: {} }])
    })
  },
)
