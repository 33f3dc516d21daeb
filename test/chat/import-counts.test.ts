import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createImporter, type NumberedRecord } from '../../src/chat/import/import.ts'
import { parseImportLine } from '../../src/chat/import/lines.ts'
import { createTestChat, newUserId } from '../support/chat.ts'
import { describeEngines } from '../support/database.ts'
import { expectCounted } from '../support/read-counts.ts'

/** Ids of messages that no other run of these tests has. */
let lastMessage = 1_000_000

describeEngines((on) => {
  let line = 0
  /** Imports lines in batches of at most `size`; resolves with what became of each. */
  async function importAll(lines: readonly object[], size = lines.length, update = false): Promise<(string | null)[]> {
    const importer = createImporter(on().store, { update })
    const records: NumberedRecord[] = lines.map((each) => ({ ...parseImportLine(JSON.stringify(each), 0), number: ++line }))
    const outcomes: (string | null)[] = []
    for (let at = 0; at < records.length; at += Math.max(1, size)) {
      const progress = () => ({ id: 'test', offset: 0, lines: 0, digest: '', bad: 0, counts: null })
      const batch = records.slice(at, at + Math.max(1, size))
      const done = await importer.write(batch, progress)
      const byNumber = new Map(done.map(({ number, status, reason }) => [number, reason ?? status]))
      outcomes.push(...batch.map(({ number }) => byNumber.get(number) ?? null))
    }
    return outcomes
  }
  const unreadOf = async (userId: number, id: string) => (await on().store.readPointers.states(userId, [id])).get(id)

  const user = (id: number) => ({ type: 'user', id, name: `user ${id}` })
  const timestamp = '2023-07-15T10:30:00Z'

  /** Users a, b and c (who has left the group), a direct conversation of a and b, and a group of a and b. */
  function world() {
    const [a, b, c] = [newUserId(), newUserId(), newUserId()] as const
    const direct = `direct_${a}_${b}`
    const group = `group_${a}`
    const members = [{ user_id: a, role: 'owner' }, { user_id: b }]
    const lines = [
      ...[a, b, c].map(user),
      { type: 'conversation', id: direct, user_ids: [a, b] },
      { type: 'group', id: a, name: 'G', members },
    ]
    const message = (id: number, from: number, isGroup: boolean) => ({
      ...{
        type: 'message',
        id,
        session_id: isGroup ? group : direct,
        sender_id: from,
        is_group: isGroup,
        content: 'hi',
        timestamp,
      },
    })
    const receipt = (id: number, reader: number, isGroup: boolean) => ({
      ...{ type: 'receipt', message_id: id, is_group: isGroup, reader_id: reader },
    })
    const read = (id: number, reader: number, isGroup: boolean) => ({
      ...{ type: 'read', session_id: isGroup ? group : direct, user_id: reader, message_id: id, is_group: isGroup },
    })
    return { a, b, c, direct, group, lines, message, receipt, read, members }
  }

  test('in whatever order messages, receipts and pointers come, and however often, all is counted in the end', async () => {
    const step = fc.record({ id: fc.nat(30), from: fc.nat(2), isGroup: fc.boolean(), reader: fc.nat(1), read: fc.nat(5) })
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 60 }), async (steps, size) => {
      const { a, b, c, direct, group, lines, message, receipt, read } = world()
      const first = lastMessage + 1
      lastMessage += 100
      const all: object[] = [...lines]
      const messages = new Map<number, { from: number; isGroup: boolean }>()
      const seen = new Map<string, Set<number>>()
      const marked = new Map<string, number>()
      for (const { id: at, from, isGroup, reader, read: what } of steps) {
        // Messages of the group and of the two have ids of their own.
        const id = first + 2 * at + (isGroup ? 1 : 0)
        if (!messages.has(id)) {
          const sender = [a, b, ...(isGroup ? [c] : [])][from % (isGroup ? 3 : 2)] as number
          messages.set(id, { from: sender, isGroup })
          all.push(message(id, sender, isGroup))
        }
        const readerId = [a, b][reader] as number
        const key = `${readerId} ${isGroup}`
        if (what < 3 && messages.get(id)?.from !== readerId) {
          seen.set(key, (seen.get(key) ?? new Set()).add(id))
          all.push(receipt(id, readerId, isGroup))
        } else if (what === 3) {
          marked.set(key, Math.max(id, marked.get(key) ?? 0))
          all.push(read(id, readerId, isGroup))
        }
      }
      for (const each of [size, 7]) {
        await importAll(all, each)
        for (const [isGroup, id] of [
          [false, direct],
          [true, group],
        ] as const) {
          await expectCounted(on(), id)
          for (const readerId of [a, b]) {
            const key = `${readerId} ${isGroup}`
            const unread = [...messages].filter(
              ([messageId, { from, isGroup: inGroup }]) =>
                inGroup === isGroup && from !== readerId && messageId > (marked.get(key) ?? 0) && !seen.get(key)?.has(messageId),
            )
            expect((await unreadOf(readerId, id))?.unread).toBe(unread.length)
          }
        }
      }
    })
    await fc.assert(property, { numRuns: 8 })
  })

  test('what is sent afterwards goes on counting, also by one who had left and comes back', async () => {
    const { a, b, c, group, lines, message } = world()
    const first = lastMessage + 1
    lastMessage += 100
    await importAll([...lines, message(first, c, true), message(first + 1, c, true), message(first + 2, a, true)])
    const node = createTestChat(on().store)
    await node.chat.groups.invite(a, a, [c])
    await node.send(c, { conversationId: group })
    await node.send(b, { conversationId: group })
    await expectCounted(on(), group)
    expect([(await unreadOf(a, group))?.unread, (await unreadOf(c, group))?.unread]).toEqual([4, 1])
    await node.close()
  })

  test('what retention took is still counted, where messages come before others', async () => {
    const { a, b, group, lines, message, receipt } = world()
    const first = lastMessage + 1
    lastMessage += 100
    const at = (index: number): number => first + 10 * index
    await importAll([
      ...lines,
      ...[0, 1, 2, 3, 4].map((index) => message(at(index), index % 2 ? b : a, true)),
      receipt(at(4), b, true),
    ])
    await on().store.transaction(async (tx) => {
      await tx.retention.moveTo(group, at(1), [a, b])
      await tx.retention.remove([at(0), at(1)])
    })
    const both = async () => [(await unreadOf(a, group))?.unread, (await unreadOf(b, group))?.unread]
    expect(await both()).toEqual([1, 1])
    expect(await importAll([receipt(at(2), b, true), message(at(3) - 5, a, true)])).toEqual(['added', 'added'])
    expect(await both()).toEqual([1, 1])
    const numbered = await on().query(`SELECT seq, sender_seq FROM messages WHERE conversation_id = '${group}' ORDER BY id`)
    expect(numbered.map(({ seq, sender_seq }) => [seq, sender_seq])).toEqual([
      [3, 2],
      [4, 3],
      [5, 2],
      [6, 4],
    ])
    const node = createTestChat(on().store)
    expect(await node.chat.receipts.markConversation(a, group, at(4))).toBe(1)
    expect(await node.chat.receipts.markConversation(b, group, at(4))).toBe(1)
    expect(await both()).toEqual([0, 0])
    await node.close()
  })

  test('a read pointer says what is wrong with it, moves forward only, and is a receipt of nothing', async () => {
    const { a, b, c, direct, group, lines, message, read } = world()
    const first = lastMessage + 1
    lastMessage += 100
    const sent = [message(first, a, false), message(first + 1, a, false), message(first + 2, a, true)]
    expect(
      await importAll([
        ...lines,
        ...sent,
        read(first, b, false),
        read(first + 1, b, false),
        read(first, b, false),
        read(first + 2, b, false),
        read(first, c, false),
        read(first + 2, c, true),
        { ...read(first + 2, b, true), is_group: false },
      ]),
    ).toEqual([
      ...[...lines, ...sent].map(() => 'added'),
      ...['added', 'added', 'present'],
      'there is no direct message of this id: the line of a message comes before those that name it',
      `user ${c} is not in this conversation`,
      `user ${c} is not in this conversation`,
      `is_group does not agree with the conversation "${group}"`,
    ])
    expect(await unreadOf(b, direct)).toMatchObject({ unread: 0, readUpTo: first + 1 })
    expect(await on().store.receipts.byMessageIds([first, first + 1])).toEqual([])
  })

  test('members that an update brings begin with nothing unread, and hidden history where the group says so', async () => {
    const { a, b, c, group, lines, message, members } = world()
    const first = lastMessage + 1
    lastMessage += 100
    await importAll([...lines, message(first, a, true), message(first + 1, c, true)])
    const update = { type: 'group', id: a, name: 'G', history_visible: false }
    const [owner = {}] = members
    expect(await importAll([{ ...update, members: [owner, { user_id: c }] }], 1, true)).toEqual(['changed'])
    await expectCounted(on(), group)
    expect(await unreadOf(c, group)).toEqual({ unread: 0, readUpTo: null, unreadMentions: 0 })
    expect(await on().store.conversations.memberOf(c, [group])).toEqual(new Map([[group, first + 1]]))
    expect(await unreadOf(b, group)).toBeUndefined()
    expect(await importAll([{ ...update, members: [owner, { user_id: b }, { user_id: c }] }], 1, true)).toEqual(['changed'])
    await expectCounted(on(), group)
  })
})
