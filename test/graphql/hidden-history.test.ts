import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, type TestApp, type TestUser } from '../support/app.ts'
import type { Data } from '../support/graphql-client.ts'
import { createGroup, people, run, say } from '../support/people.ts'

/** What members read, and do, who joined a group that hides its history from them. */

let app: TestApp
let owner: TestUser
let member: TestUser
/** Joined after the history. */
let later: TestUser
/** Wrote, left, and rejoined. */
let back: TestUser
let conversation: string
let group: number
let old: number
let backsOld: number
let answer: number
let newest: number

const QUOTE = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'

beforeAll(async () => {
  app = await sharedApp()
  ;({ owner, member, later, back } = await people(app, 'owner', 'member', 'later', 'back'))
  ;({ id: group, conversation } = await createGroup(app, owner, [member, back], 'historyVisible: false'))
  old = await say(app, owner, conversation, 'an old secret')
  backsOld = await say(app, back, conversation, 'an old secret of mine')
  await run(app, member, `addReaction(messageId: ${old}, reaction: "👍") { count }`)
  await run(app, back, `leaveGroup(groupId: ${group})`)
  await run(app, owner, `inviteToGroup(groupId: ${group}, userIds: [${later.id}, ${back.id}]) { id }`)
  const input = { conversationId: conversation, content: 'an answer', replyToId: String(old) }
  answer = Number((await app.over(member).data(QUOTE, { input })).sendMessage.id)
  newest = await say(app, owner, conversation, 'news, no secret')
})
afterAll(() => app.stop())

const code = async (user: TestUser, document: string, variables = {}): Promise<string> =>
  (await app.over(user).run(document, variables)).errors?.[0]?.extensions.code ?? 'OK'
const idsIn = (page: Data): number[] => page.edges.map(({ node }: Data) => Number(node.id))

const READS = `{
  conversation(id: $conversation) {
    unreadCount lastMessage { id } messages { edges { node { id } } pageInfo { hasNextPage } }
  }
  old: message(id: $old) { content }
  answer: message(id: $answer) { replyTo { content reactions { count } replies { edges { node { id } } } } }
  searchMessages(text: "secret") { edges { node { id } } }
}`
const read = (user: TestUser): Promise<Data> =>
  app.over(user).data(`query ($conversation: ID!, $old: ID!, $answer: ID!) ${READS}`, { conversation, old, answer })

test('a change of the group is for those who join after it', async () => {
  expect(await run(app, owner, `updateGroup(groupId: ${group}, input: { historyVisible: true }) { historyVisible }`)).toEqual({
    historyVisible: true,
  })
  expect((await read(later)).old).toBeNull()
  await run(app, owner, `updateGroup(groupId: ${group}, input: { historyVisible: false }) { id }`)
  expect(await code(owner, `mutation { updateGroup(groupId: ${group}, input: { historyVisible: null }) { id } }`)).toBe(
    'BAD_USER_INPUT',
  )
})

describe.each([
  ['who joined later', () => later],
  ['who came back', () => back],
])('a member %s', (_, who) => {
  test('reads from their joining on, and what a visible message quotes', async () => {
    const { conversation: seen, ...rest } = await read(who())
    expect(idsIn(seen.messages)).toEqual([newest, answer])
    expect(seen.messages.pageInfo.hasNextPage).toBe(false)
    expect(seen).toMatchObject({ unreadCount: 2, lastMessage: { id: String(newest) } })
    expect(rest.old).toBeNull()
    // The quoted message, its own reactions not, and of its answers those that they see anyway.
    expect(rest.answer.replyTo).toEqual({
      content: 'an old secret',
      reactions: [],
      replies: { edges: [{ node: { id: String(answer) } }] },
    })
    await expect.poll(async () => idsIn((await read(who())).searchMessages)).toEqual([newest])
  })

  test('can do nothing with what is hidden', async () => {
    for (const id of [old, backsOld])
      for (const mutation of [
        `markMessageRead(messageId: ${id}) { readAt }`,
        `markConversationRead(conversationId: "${conversation}", upToMessageId: ${id})`,
        `markConversationUnread(conversationId: "${conversation}", fromMessageId: ${id})`,
        `addReaction(messageId: ${id}, reaction: "👍") { count }`,
        `removeReaction(messageId: ${id}, reaction: "👍") { count }`,
        `editMessage(input: { messageId: ${id}, content: "x" }) { id }`,
        `deleteMessage(messageId: ${id}) { id }`,
        `sendMessage(input: { conversationId: "${conversation}", content: "x", replyToId: ${id} }) { id }`,
      ])
        expect([mutation, await code(who(), `mutation { ${mutation} }`)]).toEqual([mutation, 'NOT_FOUND'])
  })
})

test('those who were there, and administrators, read all of it', async () => {
  for (const user of [owner, member]) {
    const seen = await read(user)
    expect(idsIn(seen.conversation.messages)).toEqual([newest, answer, backsOld, old])
    expect(seen.old).toEqual({ content: 'an old secret' })
    expect(seen.answer.replyTo.reactions).toEqual([{ count: 1 }])
  }
  const { conversation: seen } = await app.admin.data(
    'query ($id: ID!) { conversation(id: $id) { messages { edges { node { id } } } } }',
    {
      id: conversation,
    },
  )
  expect(idsIn(seen.messages)).toEqual([newest, answer, backsOld, old])
})

const CONTENTS = 'reactions { count } readBy { readerId } replyTo { content }'

describe.each([
  ['events', `subscription { events { ... on MessageSent { message { id replyTo { content ${CONTENTS} } } } } }`],
  ['messageSent', `subscription { messageSent { id replyTo { content ${CONTENTS} } } }`],
  [
    'a fragment',
    `subscription { events { ...Sent } } fragment Sent on MessageSent { message { id ...Quote } }
     fragment Quote on Message { replyTo { content ... on Message { ...Contents } } } fragment Contents on Message { ${CONTENTS} }`,
  ],
])('in a subscription, by %s,', (_, document) => {
  test('a quoted message shows its reactions, its readers and what it quotes only to members who may read it', async () => {
    const [reader, newcomer] = await Promise.all([app.user('reader'), app.user('newcomer')])
    const { id, conversation: place } = await createGroup(app, owner, [reader], 'historyVisible: false')
    const answerTo = async (content: string, replyToId: number): Promise<number> =>
      Number((await app.over(owner).data(QUOTE, { input: { conversationId: place, content, replyToId } })).sendMessage.id)
    const quoted = await answerTo('a later secret', await say(app, owner, place, 'a secret'))
    await run(app, reader, `addReaction(messageId: ${quoted}, reaction: "👍") { count }`)
    await run(app, reader, `markMessageRead(messageId: ${quoted}) { readAt }`)
    await run(app, owner, `inviteToGroup(groupId: ${id}, userIds: [${newcomer.id}]) { id }`)
    const subscriptions = await Promise.all([reader, newcomer].map((user) => app.graphqlWs(user).subscribe(document)))
    const sent = String(await answerTo('an answer', quoted))
    const [readers, newcomers] = await Promise.all(
      subscriptions.map(async (subscription) => {
        const messageOf = ({ data }: Data): Data => data?.events?.message ?? data?.messageSent
        const event = await subscription.inbox.next((each) => messageOf(each)?.id === sent)
        subscription.close()
        return messageOf(event).replyTo
      }),
    )
    expect(readers).toEqual({
      content: 'a later secret',
      reactions: [{ count: 1 }],
      readBy: [{ readerId: String(reader.id) }],
      replyTo: { content: 'a secret' },
    })
    expect(newcomers).toEqual({ content: 'a later secret', reactions: [], readBy: [], replyTo: null })
  })
})

test('a former member receives nothing of an edit and an answer that came after they left, until they are back', async () => {
  const [gone, comesBack] = await Promise.all([app.user('gone'), app.user('comes back')])
  const members = [gone, comesBack]
  const { id, conversation: place } = await createGroup(app, owner, members)
  const edit = (messageId: number, content: string) =>
    run(app, owner, `editMessage(input: { messageId: ${messageId}, content: "${content}" }) { id }`)
  const edited = await say(app, owner, place, 'first')
  await edit(edited, 'edited while they were there')
  const changed = await say(app, owner, place, 'as it was')
  for (const { id: userId } of members) await run(app, owner, `removeGroupMember(groupId: ${id}, userId: ${userId}) { id }`)
  await edit(changed, 'a secret')
  await app.over(owner).data(QUOTE, { input: { conversationId: place, content: 'an answer', replyToId: String(edited) } })
  await run(app, owner, `inviteToGroup(groupId: ${id}, userIds: [${comesBack.id}]) { id }`)
  const told = async (user: TestUser): Promise<[content: string, replies: number][]> => {
    const events = `subscription { events(after: "0") { ... on MessageSent { message { content replyCount } } } }`
    const subscription = await app.graphqlWs(user).subscribe(events, {}, { untilOpen: false })
    const messages: [string, number][] = []
    while (messages.length < 2) {
      const { data } = await subscription.inbox.next(({ data: event }) => event?.events?.message !== undefined)
      messages.push([data.events.message.content, data.events.message.replyCount])
    }
    subscription.close()
    return messages
  }
  expect(await told(gone)).toEqual([
    ['edited while they were there', 0],
    ['', 0],
  ])
  expect(await told(comesBack)).toEqual([
    ['edited while they were there', 1],
    ['a secret', 0],
  ])
})
