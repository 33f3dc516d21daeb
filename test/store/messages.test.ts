import pg from 'pg'
import { expect, test } from 'vitest'
import type { Db } from '../../src/store/database/sql.ts'
import { createMessageStore, type NewMessage, type SendOutcome } from '../../src/store/messages.ts'
import type { Store } from '../../src/store/store.ts'
import { newUserId } from '../support/chat.ts'
import { describeEngines, describeServer, statementsBehind } from '../support/database.ts'
import { GROUP_INFO } from '../support/group-info.ts'

const message = (fields: Partial<NewMessage> & { senderId: number }): NewMessage => ({
  receiverId: null,
  conversationId: null,
  content: 'hi',
  messageType: 'text',
  mediaUrl: null,
  key: null,
  ...fields,
})

const createUsers = async (store: Store, count: number): Promise<number[]> => {
  const ids = Array.from({ length: count }, newUserId)
  await store.users.upsert(ids.map((id) => ({ id, name: undefined, avatar: undefined })))
  return ids
}

const createGroup = async (store: Store, memberIds: readonly number[], allowSendMessages = true): Promise<string> => {
  const { result } = await store.transaction(async (tx) => {
    const group = await tx.groups.create({ ...GROUP_INFO, allowSendMessages })
    const members = memberIds.map((userId, index) => ({
      userId,
      role: index === 0 ? ('OWNER' as const) : ('MEMBER' as const),
      sinceSeq: 0,
    }))
    return await tx.groups.addMembers(group, members, { lastId: 0, historyAfter: 0 })
  })
  return result.conversationId
}

const sent = (outcome: SendOutcome | undefined): Extract<SendOutcome, { status: 'sent' }> =>
  outcome?.status === 'sent' ? outcome : expect.fail(`not sent: ${outcome?.status}`)

const everything = { after: 0, until: Number.MAX_SAFE_INTEGER }

/** That a topic's entries count from 1 without holes, with ids in the same order, and end at its head. */
async function expectDense(store: Store, topic: string, count: number): Promise<void> {
  const entries = await store.log.read({ topic, ...everything }, 100_000)
  expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: count }, (_, index) => index + 1))
  expect(entries.map(({ event }) => event.id)).toEqual(entries.map(({ event }) => event.id).toSorted((a, b) => a - b))
  expect((await store.log.heads([topic])).get(topic)).toBe(count)
}

describeEngines((on) => {
  test('the first direct message creates the conversation with both members, later ones use it', async () => {
    const { store } = on()
    const [a = 0, b = 0] = await createUsers(store, 2)
    const id = `direct_${a}_${b}`
    const [first, second] = (
      await store.messages.sendBatch([message({ senderId: b, receiverId: a }), message({ senderId: a, receiverId: b })])
    ).map(sent)
    const [third] = (await store.messages.sendBatch([message({ senderId: a, receiverId: b, conversationId: id })])).map(sent)
    for (const one of [first, second, third])
      expect(one?.message).toMatchObject({ conversationId: id, isGroup: false, groupId: null })
    expect(await store.conversations.byPair(b, a)).toEqual({ id, isGroup: false, groupId: null, pair: [a, b] })
    expect((await store.conversations.members(id, 0, 10)).map(({ userId }) => userId)).toEqual([a, b])
    await expectDense(store, `user:${a}`, 3)
    await expectDense(store, `user:${b}`, 3)
  })

  test('what the outcome says is what is stored and logged', async () => {
    const { store } = on()
    const [a = 0, b = 0, c = 0] = await createUsers(store, 3)
    await store.users.upsert([{ id: a, name: 'Ann 🦊', avatar: 'https://example.org/a.png' }])
    const group = await createGroup(store, [a, b, c])
    const outcomes = await store.messages.sendBatch([
      message({
        senderId: a,
        receiverId: b,
        content: '👍🏽 \\u0041 "q" \n\t',
        mediaUrl: 'https://example.org/x',
        messageType: 'image',
      }),
      message({ senderId: a, conversationId: group, content: '' }),
      message({ senderId: c, receiverId: a, content: 'x'.repeat(5000) }),
    ])
    for (const { message: record, entries } of outcomes.map(sent)) {
      expect(await store.messages.byIds([record.id])).toEqual(new Map([[record.id, record]]))
      for (const entry of entries) {
        const { topic, seq } = entry
        expect(await store.log.read({ topic, after: seq - 1, until: seq }, 10)).toEqual([entry])
        expect(entry.event).toMatchObject({ kind: 'message_sent', at: record.at, payload: record })
      }
    }
    expect(outcomes.map(sent).map(({ entries }) => entries.map(({ topic }) => topic))).toEqual([
      [`user:${a}`, `user:${b}`],
      [group.replace('group_', 'group:')],
      [`user:${c}`, `user:${a}`],
    ])
    expect(sent(outcomes[0]).message).toMatchObject({ senderName: 'Ann 🦊', senderAvatar: 'https://example.org/a.png' })
  })

  test('one batch tells each input apart, and what is refused stores nothing', async () => {
    const { store, query } = on()
    const [a = 0, b = 0, c = 0] = await createUsers(store, 3)
    const unknown = newUserId()
    const open = await createGroup(store, [a, b])
    const muted = await createGroup(store, [a, b], false)
    const direct = `direct_${a}_${b}`
    const [{ count: before } = { count: 0 }] = await query('SELECT count(*)::int AS count FROM messages')
    const outcomes = await store.messages.sendBatch([
      message({ senderId: a, receiverId: b, conversationId: 'direct_1_2' }),
      message({ senderId: a, receiverId: unknown }),
      message({ senderId: c, conversationId: open }),
      message({ senderId: b, conversationId: muted }),
      message({ senderId: a, conversationId: muted }),
      message({ senderId: a, conversationId: 'group_999999' }),
      message({ senderId: a, conversationId: direct }),
      message({ senderId: unknown, receiverId: a }),
      message({ senderId: a, receiverId: b, conversationId: direct }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'wrong_conversation',
      'no_receiver',
      'not_member',
      'closed_to_members',
      'sent',
      'no_group',
      'no_group',
      'no_sender',
      'sent',
    ])
    expect(outcomes[0]).toEqual({ status: 'wrong_conversation', expected: direct })
    expect(await query('SELECT count(*)::int AS count FROM messages')).toEqual([{ count: Number(before) + 2 }])
    await expectDense(store, `user:${a}`, 1)
  })

  test('a key that was used gives the message stored first; the same key of another sender is another one', async () => {
    const { store } = on()
    const [a = 0, b = 0] = await createUsers(store, 2)
    const group = await createGroup(store, [a, b])
    const [first, other] = (
      await store.messages.sendBatch([
        message({ senderId: a, receiverId: b, key: 'k' }),
        message({ senderId: b, receiverId: a, key: 'k', content: 'mine' }),
      ])
    ).map(sent)
    expect(first?.message.id).not.toBe(other?.message.id)
    const [again, fresh, elsewhere] = await store.messages.sendBatch([
      message({ senderId: a, receiverId: b, key: 'k', content: 'changed' }),
      message({ senderId: a, receiverId: b, key: 'k2' }),
      message({ senderId: b, conversationId: group, key: 'k' }),
    ])
    expect(again).toEqual({ status: 'repeat', message: first?.message, conversationId: `direct_${a}_${b}` })
    expect(sent(fresh).message.id).toBeGreaterThan(other?.message.id as number)
    expect(elsewhere).toEqual({ status: 'repeat', message: other?.message, conversationId: group })
    await expectDense(store, `user:${b}`, 3)
  })

  test('what is stored is told of before the repeats in its batch are looked up', async () => {
    const { store, database } = on()
    const [a = 0, b = 0] = await createUsers(store, 2)
    await store.messages.sendBatch([message({ senderId: a, receiverId: b, key: 'k' })])
    const steps: string[] = []
    const $queryRaw = (...query: Parameters<Db['$queryRaw']>): Promise<unknown> => {
      steps.push('a statement')
      return database.prisma.$queryRaw(...query)
    }
    const batch = [message({ senderId: a, receiverId: b, key: 'k' }), message({ senderId: a, receiverId: b })]
    const watched = createMessageStore({ $queryRaw } as unknown as Db)
    const [, fresh] = await watched.sendBatch(batch, (entries) => steps.push(...entries.map(({ topic }) => topic)))
    expect(steps).toEqual(['a statement', `user:${a}`, `user:${b}`, 'a statement'])
    expect(sent(fresh).entries).toHaveLength(2)
  })

  test('what can no longer be read after the batch is stored fails for that input alone', async () => {
    const { store, database } = on()
    const [a = 0, b = 0] = await createUsers(store, 2)
    await store.messages.sendBatch([message({ senderId: a, receiverId: b, key: 'k' })])
    const gone = new Error('the connection is gone')
    let calls = 0
    const $queryRaw = (...query: Parameters<Db['$queryRaw']>): Promise<unknown> =>
      ++calls === 1 ? database.prisma.$queryRaw(...query) : Promise.reject(gone)
    const failing = createMessageStore({ $queryRaw } as unknown as Db)
    const [repeat, fresh] = await failing.sendBatch([
      message({ senderId: a, receiverId: b, key: 'k' }),
      message({ senderId: a, receiverId: b }),
    ])
    expect(repeat).toEqual({ status: 'failed', error: gone })
    sent(fresh)
    await expectDense(store, `user:${a}`, 2)
  })

  test('a refused message does not use its key up', async () => {
    const { store } = on()
    const [a = 0, b = 0] = await createUsers(store, 2)
    const wrong = await store.messages.sendBatch([message({ senderId: a, receiverId: b, conversationId: 'x', key: 'k' })])
    expect(wrong[0]?.status).toBe('wrong_conversation')
    const right = await store.messages.sendBatch([message({ senderId: a, receiverId: b, key: 'k' })])
    expect(right[0]?.status).toBe('sent')
  })

  test('an imported direct conversation keeps the id it came with', async () => {
    const { store, query } = on()
    const [a = 0, b = 0] = await createUsers(store, 2)
    const id = `legacy-${a}`
    await query(`INSERT INTO conversations (id, is_group, user_low, user_high) VALUES ('${id}', false, ${a}, ${b})`)
    await query(`INSERT INTO members (conversation_id, user_id) VALUES ('${id}', ${a}), ('${id}', ${b})`)
    const [stored, named, wrong] = await store.messages.sendBatch([
      message({ senderId: b, receiverId: a }),
      message({ senderId: a, receiverId: b, conversationId: id }),
      message({ senderId: a, receiverId: b, conversationId: `direct_${a}_${b}` }),
    ])
    expect(sent(stored).message.conversationId).toBe(id)
    expect(sent(named).message.conversationId).toBe(id)
    expect(wrong).toEqual({ status: 'wrong_conversation', expected: id })
  })

  test('a batch is stored as its inputs are, whatever others it has: direct or to a group, with replies and mentions or without', async () => {
    const { store } = on()
    const [a = 0, b = 0, c = 0, stranger = 0] = await createUsers(store, 4)
    const group = await createGroup(store, [a, b])
    const direct = (fields: Partial<NewMessage> = {}) => message({ senderId: a, receiverId: b, ...fields })
    const toGroup = (fields: Partial<NewMessage> = {}) => message({ senderId: a, conversationId: group, ...fields })
    const [asked] = (await store.messages.sendBatch([toGroup()])).map(sent)
    const replyToId = asked?.message.id as number
    const plain = { direct: [direct(), direct({ receiverId: c })], group: [toGroup(), toGroup({ senderId: stranger })] }
    const extras = {
      direct: [direct({ mentionIds: [b] }), direct({ mentionIds: [c] })],
      group: [toGroup({ replyToId }), toGroup({ mentionsAll: true }), toGroup({ mentionIds: [stranger] })],
    }
    const expected = new Map<NewMessage, string>([
      ...[...plain.direct, plain.group[0], extras.direct[0], extras.group[0], extras.group[1]].map(
        (input) => [input as NewMessage, 'sent'] as const,
      ),
      [plain.group[1] as NewMessage, 'not_member'],
      [extras.direct[1] as NewMessage, 'not_mentionable'],
      [extras.group[2] as NewMessage, 'not_mentionable'],
    ])
    const batches = [
      plain.direct,
      plain.group,
      extras.direct,
      extras.group,
      [...plain.direct, ...plain.group],
      [...extras.group, ...plain.direct, ...plain.group, ...extras.direct],
    ]
    for (const batch of batches) {
      const outcomes = await store.messages.sendBatch(batch)
      expect(outcomes.map(({ status }) => status)).toEqual(batch.map((input) => expected.get(input)))
      const stored = outcomes.filter(({ status }) => status === 'sent').map((outcome) => sent(outcome).message)
      const found = await store.messages.byIds(stored.map(({ id }) => id))
      for (const one of stored) expect(found.get(one.id)).toMatchObject(one)
    }
    await expectDense(store, `user:${b}`, 5)
    await expectDense(store, `user:${c}`, 3)
    const answered = await store.messages.byIds([replyToId])
    expect(answered.get(replyToId)).toMatchObject({ replyCount: 2 })
    expect(await store.messages.sendBatch([toGroup({ conversationId: 'group_0' })])).toEqual([{ status: 'no_group' }])
  })

  test('a large batch is stored in the order of its input', async () => {
    const { store } = on()
    const [a = 0, b = 0, c = 0] = await createUsers(store, 3)
    const batch = Array.from({ length: 256 }, (_, index) =>
      message({ senderId: a, receiverId: index % 2 ? b : c, content: `${index}` }),
    )
    const ids = (await store.messages.sendBatch(batch)).map((outcome) => sent(outcome).message.id)
    expect(ids).toEqual(ids.toSorted((x, y) => x - y))
    const entries = await store.log.read({ topic: `user:${a}`, ...everything }, 1000)
    expect(entries.map(({ event }) => (event.payload as { content: string }).content)).toEqual(
      batch.map(({ content }) => content),
    )
    await expectDense(store, `user:${c}`, 128)
  })

  test('pages go back through a conversation, newest first, without gaps or repeats', async () => {
    const { store } = on()
    const [a = 0, b = 0] = await createUsers(store, 2)
    // All rows of one statement have the same time.
    const batch = Array.from({ length: 7 }, (_, index) => message({ senderId: a, receiverId: b, content: `${index}` }))
    await store.messages.sendBatch(batch)
    const id = `direct_${a}_${b}`
    const contents: string[] = []
    for (let before: number | undefined; ;) {
      const page = await store.messages.page(id, before, 3)
      contents.push(...page.map(({ content }) => content))
      before = page.at(-1)?.id
      if (page.length < 3) break
    }
    expect(contents).toEqual(['6', '5', '4', '3', '2', '1', '0'])
    expect((await store.messages.latest([id, 'direct_0_0'])).get(id)?.content).toBe('6')
  })
})

describeServer((on) => {
  test('a send is tried twice at most, whatever changes access meanwhile', async () => {
    const { store, database, url } = on()
    const [a = 0, b = 0] = await createUsers(store, 2)
    const changer = new pg.Client({ connectionString: url })
    await changer.connect()
    let count = 0
    /** Runs the statement so that it waits for the lock of a topic whose access changes. */
    const changing = async (statement: Parameters<Db['$queryRaw']>[0]): Promise<unknown> => {
      if (++count > 5) return await database.prisma.$queryRaw(statement)
      await changer.query('BEGIN')
      await changer.query('SELECT FROM topics WHERE name = $1 FOR UPDATE', [`user:${a}`])
      const result = database.prisma.$queryRaw(statement).then((rows) => rows)
      await expect.poll(() => statementsBehind(changer)).toBe(1)
      await changer.query('UPDATE topics SET access_seq = access_seq + 1 WHERE name = $1', [`user:${a}`])
      await changer.query('COMMIT')
      return await result
    }
    try {
      const messages = createMessageStore(Object.create(database.prisma, { $queryRaw: { value: changing } }) as Db)
      const [outcome] = await messages.sendBatch([message({ senderId: a, receiverId: b })])
      expect(sent(outcome).message.content).toBe('hi')
      expect(count).toBe(1)
    } finally {
      await changer.end()
    }
  })

  const LANES = 6

  test('many writers at once on several nodes leave each topic dense and in the order of its ids', async () => {
    const stores = [on().store, (await on().another()).store, (await on().another()).store]
    const users = await createUsers(on().store, 6)
    const group = await createGroup(on().store, users)
    const counts = new Map<string, number>()
    const count = (topic: string): unknown => counts.set(topic, (counts.get(topic) ?? 0) + 1)
    const lane = async (index: number): Promise<void> => {
      const store = stores[index % stores.length] as Store
      for (let round = 0; round < 12; round++) {
        const batch = Array.from({ length: 20 }, (_, at) => {
          const senderId = users[(index + at) % users.length] as number
          const receiverId = users[(index + at + 1 + (round % 5)) % users.length] as number
          return at % 4 === 0 ? message({ senderId, conversationId: group }) : message({ senderId, receiverId })
        })
        for (const { entries } of (await store.messages.sendBatch(batch)).map(sent)) for (const { topic } of entries) count(topic)
        // Transactions that lock the same topics, in another order.
        const topics = [group.replace('_', ':'), ...users.map((id) => `user:${id}`)].toReversed()
        const { entries } = await store.transaction(async (tx) => {
          await tx.lock(topics)
          tx.append({ topics, kind: 'group_updated', payload: { round } })
        })
        for (const { topic } of entries) count(topic)
      }
    }
    await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)))
    for (const [topic, number] of counts) await expectDense(on().store, topic, number)
  })

  test('the same key sent from several nodes at once is stored once', async () => {
    const stores = [on().store, (await on().another()).store]
    const [a = 0, ...others] = await createUsers(on().store, 5)
    const groups = [await createGroup(on().store, [a]), await createGroup(on().store, [a])]
    for (let round = 0; round < 20; round++) {
      // Direct ones meet at the sender's topic; those to two groups only at the key.
      const target = (index: number): Partial<NewMessage> =>
        round % 2 === 0 ? { receiverId: others[index % 2] as number } : { conversationId: groups[index % 2] as string }
      const outcomes = await Promise.all(
        Array.from({ length: 6 }, async (_, index) => {
          const batch = [
            message({ senderId: a, key: `k${round}`, ...target(index) }),
            message({ senderId: a, receiverId: others[3] as number }),
          ]
          return await (stores[index % 2] as Store).messages.sendBatch(batch)
        }),
      )
      const keyed = outcomes.map(([first]) => first as SendOutcome)
      expect(keyed.filter(({ status }) => status === 'sent')).toHaveLength(1)
      const ids = keyed.map((outcome) =>
        outcome.status === 'sent' || outcome.status === 'repeat' ? outcome.message.id : outcome.status,
      )
      expect(new Set(ids).size).toBe(1)
      for (const [, second] of outcomes) sent(second)
    }
  })

  test('two users who write to each other for the first time at once get one conversation', async () => {
    const other = (await on().another()).store
    for (let round = 0; round < 20; round++) {
      const [a = 0, b = 0] = await createUsers(on().store, 2)
      const outcomes = await Promise.all([
        on().store.messages.sendBatch([message({ senderId: a, receiverId: b })]),
        other.messages.sendBatch([message({ senderId: b, receiverId: a })]),
      ])
      for (const outcome of outcomes.flat().map(sent)) expect(outcome.message.conversationId).toBe(`direct_${a}_${b}`)
      await expectDense(other, `user:${a}`, 2)
    }
  })

  test('no message of a former member comes after the event of the leaving', async () => {
    const other = (await on().another()).store
    const [owner = 0, member = 0] = await createUsers(other, 2)
    for (let round = 0; round < 15; round++) {
      const conversationId = await createGroup(other, [owner, member])
      const topic = conversationId.replace('_', ':')
      const groupId = Number(conversationId.replace('group_', ''))
      const removal = other.transaction(async (tx) => {
        await tx.lock([topic])
        const group = (await tx.groups.byIds([groupId])).get(groupId) ?? expect.fail('no group')
        await tx.groups.removeMember(group, member, topic, tx.nextSeq(topic))
        tx.append({ topics: [topic], kind: 'member_left', payload: null, changesAccess: true })
      })
      const sends = Array.from({ length: 12 }, (_, index) => {
        const batch = [message({ senderId: member, conversationId }), message({ senderId: owner, conversationId })]
        return new Promise((resolve) => setImmediate(resolve)).then(() =>
          (index % 2 ? on().store : other).messages.sendBatch(batch),
        )
      })
      const outcomes = (await Promise.all(sends)).flat()
      await removal
      const entries = await other.log.read({ topic, ...everything }, 100)
      const left = entries.findIndex(({ event }) => event.kind === 'member_left')
      const after = entries.slice(left + 1).map(({ event }) => (event.payload as { senderId: number }).senderId)
      expect(after).not.toContain(member)
      // No other message is affected by the second check.
      expect(outcomes.filter((_, index) => index % 2 === 1).map(({ status }) => status)).toEqual(sends.map(() => 'sent'))
      expect(entries).toHaveLength(outcomes.filter(({ status }) => status === 'sent').length + 1)
    }
  })
})
