import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ALL_CAPABILITIES,
  CAPABILITIES,
  capabilityNames,
  capabilitySet,
  NO_CAPABILITIES,
  parseCapabilities,
  parseCapabilitiesSubprotocol,
} from '../../src/legacy-protocol/capabilities.ts'
import { decodeRequest } from '../../src/legacy-protocol/codec.ts'
import { encodeEvent, relevantTo, type FeedEvent } from '../../src/legacy-protocol/events.ts'
import { sharedApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { connectLegacy, type Frame, type LegacyClient } from '../support/legacy-client.ts'
import { createGroup, people, run, say } from '../support/people.ts'

test('a set has the names that the server knows, in its own order', () => {
  expect(capabilityNames(capabilitySet(['reads', 'unknown', 'edits', 'edits']))).toEqual(['edits', 'reads'])
  expect(capabilityNames(ALL_CAPABILITIES)).toEqual(CAPABILITIES)
  expect(parseCapabilities(' replies,edits ,, x')).toBe(capabilitySet(['edits', 'replies']))
  expect(parseCapabilitiesSubprotocol('capabilities.edits.replies')).toBe(capabilitySet(['edits', 'replies']))
  expect([parseCapabilities(''), parseCapabilitiesSubprotocol('capabilities.')]).toEqual([NO_CAPABILITIES, NO_CAPABILITIES])
})

test('a push is the same for all sets that differ in what does not concern it', () => {
  const sender = { id: '1', name: 'Ann', avatar: null }
  const message = {
    ...{ id: '42', conversation: { id: 'direct_1_2', isGroup: false, group: null }, sender, content: 'hi', messageType: 'text' },
    ...{ mediaUrl: null, timestamp: '2023-07-15T11:00:00.000Z', deletedAt: null, editedAt: '2023-07-15T11:01:00.000Z' },
    ...{ replyToId: '41', mentions: [{ id: '3' }, { id: '2' }] },
  }
  const base = { id: '1', timestamp: '2023-07-15T11:00:00.000Z' }
  const events: FeedEvent[] = [
    { __typename: 'MessageSent', ...base, message },
    { __typename: 'MessageEdited', ...base, message },
    { __typename: 'MessageDeleted', ...base, messageId: '42', conversationId: 'direct_1_2', isGroup: false, deletedById: '1' },
    { __typename: 'MessageRead', ...base, messageId: '42', isGroup: false, readerId: '2' },
  ]
  const variants = events.map((event) => {
    const texts = new Map<number, string | null>()
    for (let set = NO_CAPABILITIES; set <= ALL_CAPABILITIES; set++) {
      const text = encodeEvent(event, set)
      const relevant = relevantTo(event, set)
      expect(texts.get(relevant) ?? text).toBe(text)
      texts.set(relevant, text)
    }
    return texts.size
  })
  expect(variants).toEqual([2, 4, 2, 1])
})

test('what a capability brings is read where it is enabled, and ignored as any unknown field where not', () => {
  const send = { type: 'message_sent', data: { receiver_id: 2, content: 'hi', reply_to_id: 'nonsense', mention_ids: 7 } }
  expect(decodeRequest(JSON.stringify(send))).toMatchObject({ ok: true })
  expect(decodeRequest(JSON.stringify(send), capabilitySet(['edits']))).toMatchObject({ ok: true })
  expect(decodeRequest(JSON.stringify(send), capabilitySet(['replies']))).toMatchObject({
    ok: false,
    msg: '发送消息失败',
    error: expect.stringContaining('data.reply_to_id') as string,
  })
  const edit = JSON.stringify({ type: 'message_edited', data: { message_id: 42, content: 'hi', mention_ids: [1, 0] } })
  expect(decodeRequest(edit)).toMatchObject({ ok: false, msg: '未知的消息类型' })
  expect(decodeRequest(edit, capabilitySet(['edits']))).toMatchObject({ ok: true })
  expect(decodeRequest(edit, capabilitySet(['edits', 'replies']))).toMatchObject({
    ok: false,
    error: 'data.mention_ids[1] is the number 0, expected an integer of 1 to 2147483647',
  })
})

test('without capabilities an unknown type gets the error that it always got', () => {
  const types = 'message_sent, typing, message_read, reaction_added, reaction_removed, ping, heartbeat, auth, resume'
  expect(decodeRequest('{"type":"message_edited"}')).toMatchObject({
    error: `type is the string "message_edited", expected one of ${types}`,
  })
  expect(decodeRequest('{"type":"x"}', capabilitySet(['edits']))).toMatchObject({
    error: `type is the string "x", expected one of ${types}, capabilities, message_edited, message_deleted`,
  })
})

let app: TestApp
beforeAll(async () => {
  app = await sharedApp()
})
afterAll(() => app.stop())

const isPush = ({ type, data }: Frame): boolean => type !== 'online_status' && data.success === undefined
const pushes = async (client: LegacyClient): Promise<Frame[]> => (await client.settle()).filter(isPush)
const typesOf = (frames: readonly Frame[]): string[] => frames.map(({ type }) => type)
const withCapabilities = (user: TestUser, ...names: string[]): Promise<LegacyClient> =>
  app.ready(user, { headers: { capabilities: names.join(', ') } })

describe('a connection has the capabilities that it asked for', () => {
  test.each([
    [
      ['profiles', 'edits', 'of tomorrow'],
      ['edits', 'profiles'],
    ],
    [[], []],
    [['edits', 'edits'], ['edits']],
  ])('%j enables %j', async (enable, enabled) => {
    const { ann } = await people(app, 'ann')
    const client = await app.ready(ann)
    expect(await client.request('capabilities', { enable }, 'key')).toEqual({
      ...{ type: 'capabilities', code: 200, msg: 'success' },
      ...{ data: { success: true, enabled }, message_id: 'key' },
    })
  })

  test.each([[{}], [{ enable: 'edits' }], [{ enable: [1] }], [{ enable: null }], [{ enable: { edits: true } }], [undefined]])(
    'of %j nothing is enabled, and nothing changes',
    async (data) => {
      const { ann, bob } = await people(app, 'ann', 'bob')
      const client = await app.ready(ann)
      await client.request('capabilities', { enable: ['edits'] })
      expect(await client.request('capabilities', data)).toMatchObject({
        ...{ type: 'error', code: 400, msg: '启用功能失败' },
        data: { code: 400, message: '启用功能失败', details: { error: expect.stringContaining('expected') as string } },
      })
      const id = await say(app, ann, bob, 'hi')
      await client.settle()
      expect(await client.request('message_deleted', { message_id: id })).toMatchObject({ code: 200 })
    },
  )

  test('a repeat replaces what was enabled, and [] switches all off', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const client = await app.ready(ann)
    await client.request('capabilities', { enable: ['edits', 'replies'] })
    await client.request('capabilities', { enable: ['edits'] })
    const id = await say(app, ann, bob, 'hi')
    const [sent] = await pushes(client)
    expect(sent?.data).not.toHaveProperty('reply_to_id')
    expect(await client.request('message_edited', { message_id: id, content: 'ho' })).toMatchObject({ code: 200 })
    await client.request('capabilities', { enable: [] })
    await client.settle()
    expect(await client.request('message_edited', { message_id: id, content: 'hu' })).toMatchObject({
      code: 400,
      msg: '未知的消息类型',
    })
    await run(app, ann, `deleteMessage(messageId: ${id}) { id }`)
    expect(await pushes(client)).toEqual([])
  })

  test('what comes right behind the request is read by it already', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const id = await say(app, ann, bob, 'hi')
    const client = await app.ready(ann)
    client.send({ type: 'capabilities', data: { enable: ['edits'] } })
    expect(await client.request('message_edited', { message_id: id, content: 'ho' })).toMatchObject({ code: 200 })
  })

  test('the header and the subprotocol of the handshake enable them before anything passes', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const token = tokenOf({ userId: ann.id, name: ann.name })
    const offers = [
      { headers: { authorization: `Bearer ${token}`, capabilities: 'replies,edits' } },
      { protocols: ['bearer', token, 'capabilities.edits.replies'] },
      { protocols: ['capabilities.edits.replies', 'bearer', token] },
      { headers: { authorization: `Bearer ${token}` }, protocols: ['capabilities.edits.replies'] },
      { headers: { capabilities: 'edits' }, protocols: ['bearer', token, 'capabilities.replies.unknown'] },
    ]
    const clients = await Promise.all(offers.map((offer) => connectLegacy(app.legacyUrl, offer)))
    expect(clients.map(({ socket }) => socket.protocol)).toEqual(['', 'bearer', 'bearer', 'capabilities.edits.replies', 'bearer'])
    const id = await say(app, bob, ann, 'hi')
    await run(app, bob, `editMessage(input: { messageId: ${id}, content: "ho" }) { id }`)
    for (const client of clients) {
      const frames = (await pushes(client)).filter(({ type }) => type !== 'connection_established')
      expect(frames).toMatchObject([
        { type: 'message_sent', data: { reply_to_id: null, mention_ids: [] } },
        { type: 'message_edited', data: { content: 'ho', reply_to_id: null, mention_ids: [] } },
      ])
      await client.close()
    }
  })

  test('two subprotocols besides are refused as ever', async () => {
    const { ann } = await people(app, 'ann')
    const protocols = ['bearer', tokenOf({ userId: ann.id, name: ann.name }), 'another', 'capabilities.edits']
    await expect(connectLegacy(app.legacyUrl, { protocols })).rejects.toMatchObject({ status: 401 })
  })
})

describe('who asked for nothing', () => {
  test('sees the bytes of sections 1 to 8 and no others', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const { conversation } = await createGroup(app, ann, [bob])
    const [old, plain] = [await app.ready(bob), await withCapabilities(bob)]
    const all = await withCapabilities(bob, ...CAPABILITIES)
    const first = await say(app, ann, bob, 'one')
    const input = `receiverId: ${bob.id}, content: "two", replyToId: ${first}, mentionIds: [${bob.id}]`
    const { id: second } = await run(app, ann, `sendMessage(input: { ${input} }) { id }`)
    await run(app, ann, `editMessage(input: { messageId: ${first}, content: "three" }) { id }`)
    await run(app, ann, `sendMessage(input: { conversationId: "${conversation}", content: "all", mentionAll: true }) { id }`)
    await run(app, ann, `deleteMessage(messageId: ${second}) { id }`)
    const [seen, same, more] = [await pushes(old), await pushes(plain), await pushes(all)]
    expect(seen).toEqual(same)
    expect(seen.map(({ data }) => data.content)).toEqual(['one', 'two', 'all'])
    const keys = Object.keys(seen[0]?.data)
    expect(Object.keys(seen[1]?.data)).toEqual(keys)
    expect(Object.keys(seen[2]?.data)).toEqual([...keys, 'group_id'])
    expect(typesOf(more)).toEqual(['message_sent', 'message_sent', 'message_edited', 'message_sent', 'message_deleted'])
    expect(more[1]?.data).toMatchObject({ reply_to_id: first, mention_ids: [bob.id] })
    expect(Object.keys(more[2]?.data)).toEqual([...keys, 'edited_at', 'reply_to_id', 'mention_ids'])
    expect(Object.keys(more[3]?.data)).toEqual([...keys, 'group_id', 'reply_to_id', 'mention_ids'])
    // The same event has one id for all of them.
    expect(more.filter(({ type }) => type === 'message_sent').map((frame) => frame.message_id)).toEqual(
      seen.map((frame) => frame.message_id),
    )
  })
})

/** Resumes after everything. */
const replay = async (client: LegacyClient) => {
  client.send({ type: 'resume', data: { last_message_id: '0' } })
  const answer = await client.inbox.next(({ type }) => type === 'resume')
  return { replayed: answer.data.replayed as number, frames: client.inbox.drain().filter(isPush) }
}

describe('a replay', () => {
  /** Ann edits one message, deletes another one that bob reacted to, and a third stays. */
  async function history() {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const [edited, deleted] = [await say(app, ann, bob, 'one'), await say(app, ann, bob, 'two')]
    await run(app, bob, `addReaction(messageId: ${deleted}, reaction: "👍") { count }`)
    await run(app, bob, `addReaction(messageId: ${edited}, reaction: "👍") { count }`)
    await run(app, ann, `editMessage(input: { messageId: ${edited}, content: "three" }) { id }`)
    await run(app, ann, `editMessage(input: { messageId: ${deleted}, content: "four" }) { id }`)
    await run(app, ann, `deleteMessage(messageId: ${deleted}) { id }`)
    return { ann, bob, edited, deleted }
  }
  test('leaves out what is deleted by now, shows what is edited as it is, and counts what was pushed', async () => {
    const { bob, edited } = await history()
    const { replayed, frames } = await replay(await app.ready(bob))
    expect(frames.map(({ type, data }) => [type, data.id ?? data.message_id, data.content])).toEqual([
      ['message_sent', edited, 'three'],
      ['reaction_added', edited, undefined],
    ])
    expect(replayed).toBe(2)
  })

  test('has with `edits` the edits and the deletion too, and counts them', async () => {
    const { bob, edited, deleted } = await history()
    const { replayed, frames } = await replay(await withCapabilities(bob, 'edits'))
    expect(frames.map(({ type, data }) => [type, data.id ?? data.message_id, data.content])).toEqual([
      ['message_sent', edited, 'three'],
      ['reaction_added', edited, undefined],
      ['message_edited', edited, 'three'],
      ['message_deleted', deleted, undefined],
    ])
    expect(replayed).toBe(4)
  })

  test('of the handshake has the capabilities of the handshake', async () => {
    const { bob, deleted } = await history()
    const client = await app.ready(bob, { headers: { 'last-event-id': '0', capabilities: 'edits' } })
    const answer = await client.inbox.next(({ type }) => type === 'resume')
    expect(answer.data).toEqual({ success: true, replayed: 4, complete: true })
    expect((await pushes(client)).at(-1)?.data).toMatchObject({ message_id: deleted })
  })

  test('after an enabling brings what was not pushed before it', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const client = await app.ready(bob)
    const id = await say(app, ann, bob, 'one')
    const [sent] = await pushes(client)
    await run(app, ann, `editMessage(input: { messageId: ${id}, content: "two" }) { id }`)
    expect(await pushes(client)).toEqual([])
    client.send({ type: 'capabilities', data: { enable: ['edits'] } })
    client.send({ type: 'resume', data: { last_message_id: sent?.message_id } })
    const answer = await client.inbox.next(({ type }) => type === 'resume')
    expect([typesOf(client.inbox.drain().filter(isPush)), answer.data.replayed]).toEqual([['message_edited'], 1])
  })

  test('repeats nothing that was pushed on the connection, whatever was enabled when', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const client = await app.ready(bob)
    const edit = (id: number, content: string) =>
      run(app, ann, `editMessage(input: { messageId: ${id}, content: "${content}" }) { id }`)
    const id = await say(app, ann, bob, 'one')
    await edit(id, 'withheld')
    await pushes(client)
    await client.request('capabilities', { enable: ['edits'] })
    await edit(id, 'pushed')
    expect(typesOf(await pushes(client))).toEqual(['message_edited'])
    await client.request('capabilities', { enable: ['edits', 'replies'] })
    const other = await say(app, ann, bob, 'two')
    expect(typesOf(await pushes(client))).toEqual(['message_sent'])
    const first = await replay(client)
    expect(first.frames.map(({ type, data }) => [type, data.id, data.content])).toEqual([['message_edited', id, 'pushed']])
    expect(first.replayed).toBe(1)
    await edit(other, 'three')
    expect(typesOf(await pushes(client))).toEqual(['message_edited'])
    expect(await replay(client)).toEqual({ replayed: 0, frames: [] })
  })
})

describe('a changed name', () => {
  const rename = (user: TestUser, name: string): Promise<unknown> =>
    app.admin.data(`mutation { upsertUser(id: ${user.id}, name: "${name}", avatar: "https://example.org/a.png") { id } }`)
  const isUpdate = ({ type }: Frame): boolean => type === 'user_updated'

  test('is pushed once to the user and to contacts with `profiles`, and to nobody else', async () => {
    const { ann, bob, stranger } = await people(app, 'ann', 'bob', 'stranger')
    await createGroup(app, ann, [bob])
    await createGroup(app, bob, [ann])
    await say(app, ann, bob, 'hi')
    const [own, contact, other] = [
      await withCapabilities(ann, 'profiles'),
      await withCapabilities(bob, 'profiles'),
      await withCapabilities(stranger, 'profiles'),
    ]
    const plain = await withCapabilities(bob, 'edits')
    await rename(ann, 'Ann M.')
    for (const client of [own, contact]) {
      const { data, message_id } = await client.inbox.next(isUpdate)
      expect(Object.entries(data)).toEqual([
        ['user_id', ann.id],
        ['username', 'Ann M.'],
        ['avatar', 'https://example.org/a.png'],
        ['timestamp', expect.stringMatching(/^[\d-]+T[\d:]+Z$/)],
      ])
      expect(message_id).toMatch(/^\d+$/)
    }
    for (const client of [own, contact, other, plain]) expect((await pushes(client)).filter(isUpdate)).toEqual([])
  })

  test('is in a replay with `profiles`, once, and counted there alone', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    await createGroup(app, ann, [bob])
    await say(app, ann, bob, 'hi')
    const watching = await withCapabilities(bob, 'profiles')
    await rename(ann, 'Ann M.')
    await watching.inbox.next(isUpdate)
    const { frames, replayed } = await replay(await withCapabilities(bob, 'profiles'))
    expect(frames.map(({ type }) => type)).toEqual(['group_updated', 'message_sent', 'user_updated'])
    expect(replayed).toBe(3)
    expect((await replay(await app.ready(bob))).replayed).toBe(2)
  })
})

describe('a changed name that went by before `profiles` was enabled', () => {
  test('comes once with a resume', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    await createGroup(app, ann, [bob])
    await say(app, ann, bob, 'hi')
    const [client, watching] = [await app.ready(bob), await withCapabilities(bob, 'profiles')]
    await app.admin.data(`mutation { upsertUser(id: ${ann.id}, name: "Ann M.") { id } }`)
    await watching.inbox.next(({ type }) => type === 'user_updated')
    expect(await pushes(client)).toEqual([])
    await client.request('capabilities', { enable: ['profiles'] })
    expect(typesOf((await replay(client)).frames)).toEqual(['group_updated', 'message_sent', 'user_updated'])
    expect(await replay(client)).toEqual({ replayed: 0, frames: [] })
  })
})

describe('the requests', () => {
  const request = async (user: TestUser, type: string, data: object): Promise<number> =>
    (await (await withCapabilities(user, 'edits', 'replies')).request(type, data)).code

  test('an edit and a deletion follow the rules of GraphQL, and is_group must agree', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const { conversation } = await createGroup(app, ann, [bob])
    const id = await say(app, ann, conversation, 'hi')
    const edit = { message_id: id, content: 'ho', is_group: true }
    expect(await request(bob, 'message_edited', edit)).toBe(403)
    expect(await request(cat, 'message_edited', edit)).toBe(404)
    expect(await request(ann, 'message_edited', { ...edit, is_group: false })).toBe(404)
    expect(await request(ann, 'message_edited', { ...edit, content: '' })).toBe(400)
    expect(await request(ann, 'message_edited', { ...edit, mention_ids: [cat.id] })).toBe(400)
    expect(await request(ann, 'message_edited', { ...edit, mention_ids: [bob.id] })).toBe(200)
    expect(await request(bob, 'message_deleted', { message_id: id, is_group: true })).toBe(403)
    expect(await request(ann, 'message_deleted', { message_id: id })).toBe(404)
    expect(await request(ann, 'message_deleted', { message_id: id, is_group: true })).toBe(200)
    expect(await request(ann, 'message_deleted', { message_id: id, is_group: true })).toBe(200)
    expect(await request(ann, 'message_edited', edit)).toBe(404)
  })

  test('mentions of an edit are kept where it has none, and taken away by an empty list', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const [writer, reader] = [await withCapabilities(ann, 'edits', 'replies'), await withCapabilities(bob, 'edits', 'replies')]
    await writer.request('message_sent', { receiver_id: bob.id, content: 'hi', mention_ids: [bob.id, bob.id] })
    const [sent] = await pushes(reader)
    const message_id = sent?.data.id as number
    await writer.request('message_edited', { message_id, content: 'ho' })
    await writer.request('message_edited', { message_id, content: 'ho', mention_ids: [] })
    expect([sent, ...(await pushes(reader))].map((frame) => frame?.data.mention_ids)).toEqual([[bob.id], [bob.id], []])
  })

  test('a request of a capability that is not enabled is an unknown one', async () => {
    const { ann } = await people(app, 'ann')
    const client = await withCapabilities(ann, 'replies')
    for (const type of ['message_edited', 'message_deleted', 'conversation_read']) {
      expect(await client.request(type, { message_id: 1 })).toMatchObject({ type: 'error', code: 400, msg: '未知的消息类型' })
    }
  })

  test('an answer to nothing is 404, a mention of a stranger 400', async () => {
    const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
    const send = { receiver_id: bob.id, content: 'hi' }
    expect(await request(ann, 'message_sent', { ...send, reply_to_id: 999_999_999 })).toBe(404)
    expect(await request(ann, 'message_sent', { ...send, mention_ids: [cat.id] })).toBe(400)
    expect(await request(ann, 'message_sent', { ...send, mention_ids: Array.from({ length: 51 }, (_, at) => at + 1) })).toBe(400)
  })

  test('the message_id of an edit is echoed, and is no idempotency key', async () => {
    const { ann, bob } = await people(app, 'ann', 'bob')
    const message_id = await say(app, ann, bob, 'hi')
    const [client, reader] = [await withCapabilities(ann, 'edits'), await withCapabilities(bob, 'edits')]
    for (const content of ['one', 'two', 'two']) {
      expect(await client.request('message_edited', { message_id, content }, 'same')).toMatchObject({
        message_id: 'same',
        code: 200,
      })
    }
    expect((await pushes(reader)).map(({ data }) => data.content)).toEqual(['one', 'two'])
  })
})
