import { expect, test } from 'vitest'
import { appendEvents, lockTopics, rangesAfter, type LogEntry, type TopicRange } from '../../src/store/event-log.ts'
import type { MessageRecord } from '../../src/store/messages.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import type { Database } from '../../src/store/database/client.ts'
import { newUserId } from '../support/chat.ts'
import { describeOwnEngines, describeServer } from '../support/database.ts'

/** Topics of new users, all empty. */
const createTopics = async (store: Store, count: number): Promise<string[]> => {
  const ids = Array.from({ length: count }, newUserId)
  await store.users.upsert(ids.map((id) => ({ id, name: undefined, avatar: undefined })))
  return ids.map((id) => `user:${id}`)
}

const log = async (store: Store, topics: readonly string[], payload: unknown = {}): Promise<LogEntry[]> => {
  const { entries } = await store.transaction(async (tx) => {
    await tx.lock(topics)
    tx.append({ topics, kind: 'test', payload })
  })
  return entries
}

const idOf = ([entry]: readonly LogEntry[]): number => entry?.event.id ?? expect.fail('nothing was logged')

const whole = (topic: string): TopicRange => ({ topic, after: 0, until: Number.MAX_SAFE_INTEGER })

/** What a resume after `cursor` brings from these topics. */
const missedAfter = async (store: Store, cursor: number, topics: readonly string[]): Promise<number[]> => {
  const { positions } = await store.log.positionsAfter(cursor, topics)
  const ranges = topics.map((topic) => ({ ...whole(topic), after: positions.get(topic)?.seq ?? 0 }))
  return (await store.log.newest(ranges, 1000)).map(({ id }) => id)
}

describeOwnEngines((on) => {
  test('a transaction logs its events in the order in which it appended them, one id in all topics of each', async () => {
    const { store } = on()
    const [a = '', b = ''] = await createTopics(store, 2)
    const { result, entries } = await store.transaction(async (tx) => {
      await tx.lock([b, a])
      const seqs = [tx.nextSeq(a)]
      tx.append({ topics: [a, b], kind: 'one', payload: { text: 'ü "\\\n🦊', none: null, list: [1, 1.5] } })
      seqs.push(tx.nextSeq(a), tx.nextSeq(b))
      tx.append({ topics: [a], kind: 'two', payload: [] })
      return seqs
    })
    expect(result).toEqual([1, 2, 2])
    expect(entries.map(({ topic, seq, event }) => [topic, seq, event.kind])).toEqual([
      [a, 1, 'one'],
      [b, 1, 'one'],
      [a, 2, 'two'],
    ])
    const [first, second, third] = entries.map(({ event }) => event)
    expect(first).toBe(second)
    expect(third?.id).toBeGreaterThan(first?.id ?? Infinity)
    expect(Math.abs((first?.at ?? 0) - Date.now())).toBeLessThan(60_000)
    expect([...(await store.log.read(whole(a), 10)), ...(await store.log.read(whole(b), 10))]).toEqual([
      entries[0],
      entries[2],
      entries[1],
    ])
    expect(await store.log.heads([a, b, 'user:0'])).toEqual(
      new Map([
        [a, 2],
        [b, 1],
        ['user:0', 0],
      ]),
    )
  })

  test('a transaction that fails logs and counts nothing', async () => {
    const { store } = on()
    const [a = '', b = ''] = await createTopics(store, 2)
    const failing = store.transaction(async (tx) => {
      await tx.lock([a])
      tx.append({ topics: [a], kind: 'test', payload: {} })
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    const unlocked = store.transaction(async (tx) => {
      await tx.lock([a])
      tx.append({ topics: [a, b], kind: 'test', payload: {} })
    })
    await expect(unlocked).rejects.toThrow(`topic ${b} is not locked`)
    expect(await store.log.heads([a, b])).toEqual(
      new Map([
        [a, 0],
        [b, 0],
      ]),
    )
    expect(await store.log.read(whole(a), 10)).toEqual([])
  })

  test('a stretch is read in order and up to its limit; of several the newest events, oldest first', async () => {
    const { store } = on()
    const [a = '', b = ''] = await createTopics(store, 2)
    const ids: number[] = []
    for (let index = 0; index < 6; index++) ids.push(idOf(await log(store, [index % 2 ? b : a])))
    expect((await store.log.read({ topic: a, after: 1, until: 3 }, 10)).map(({ seq }) => seq)).toEqual([2, 3])
    expect((await store.log.read({ topic: a, after: 0, until: 3 }, 2)).map(({ seq }) => seq)).toEqual([1, 2])
    expect((await store.log.newest([whole(a), whole(b)], 4)).map(({ id }) => id)).toEqual(ids.slice(2))
    const parts = [
      { topic: a, after: 0, until: 1 },
      { topic: a, after: 2, until: 3 },
      { topic: b, after: 1, until: 2 },
    ]
    expect((await store.log.newest(parts, 10)).map(({ id }) => id)).toEqual([ids[0], ids[3], ids[4]])
    expect(await store.log.newest([], 10)).toEqual([])
  })

  test('several stretches are read from the oldest event on, and what is left of them after that is what comes next', async () => {
    const { store } = on()
    const [a = '', b = ''] = await createTopics(store, 2)
    const ids: number[] = []
    for (let index = 0; index < 5; index++) ids.push(idOf(await log(store, index === 2 ? [a, b] : [index % 2 ? b : a])))
    const read: number[] = []
    let rest = [whole(a), { ...whole(b), after: 1 }]
    for (let isLast = false; !isLast;) {
      const slice = await store.log.oldest(rest, 2)
      read.push(...slice.entries.map(({ event }) => event.id))
      rest = rangesAfter(rest, slice.entries)
      isLast = slice.isLast
    }
    expect(read).toEqual([ids[0], ids[2], ids[2], ids[3], ids[4]])
  })

  test('an event whose message is gone is left out and counted, however many there are', async () => {
    const { store, database } = on()
    let orphans = 0
    const counting = createStore(database, { onOrphans: (count) => (orphans += count) })
    const [a = ''] = await createTopics(store, 1)
    const gone = { id: 2 ** 40 } as MessageRecord
    const first = idOf(await log(store, [a]))
    await store.transaction(async (tx) => {
      await tx.lock([a])
      for (let count = 0; count < 5; count++) tx.append({ topics: [a], kind: 'message_sent', payload: null, message: gone })
    })
    const last = idOf(await log(store, [a]))
    const idsOf = (entries: readonly LogEntry[]): number[] => entries.map(({ event }) => event.id)
    expect(idsOf(await counting.log.read(whole(a), 10))).toEqual([first, last])
    expect(orphans).toBe(5)
    expect(idsOf(await counting.log.read({ ...whole(a), after: 1 }, 2))).toEqual([last])
    const { entries, isLast } = await counting.log.oldest([{ ...whole(a), after: 1 }], 2)
    expect({ ids: idsOf(entries), isLast }).toEqual({ ids: [last], isLast: false })
    expect(await counting.log.oldest([{ ...whole(a), after: 7 }], 2)).toEqual({ entries: [], isLast: true })
    expect(orphans).toBe(15)
  })

  test('positions go on after the cursor in every topic, also in those that it is not in', async () => {
    const { store } = on()
    const [a = '', b = '', c = ''] = await createTopics(store, 3)
    const ids = [
      idOf(await log(store, [a])),
      idOf(await log(store, [b])),
      idOf(await log(store, [a, b])),
      idOf(await log(store, [a])),
    ]
    expect(await missedAfter(store, 0, [a, b, c])).toEqual([ids[0], ids[1], ids[2], ids[2], ids[3]])
    expect(await missedAfter(store, ids[0] as number, [a, b, c])).toEqual([ids[1], ids[2], ids[2], ids[3]])
    expect(await missedAfter(store, ids[1] as number, [a, b, c])).toEqual([ids[2], ids[2], ids[3]])
    expect(await missedAfter(store, ids[2] as number, [a, b, c])).toEqual([ids[3]])
    expect(await missedAfter(store, ids[3] as number, [a, b, c])).toEqual([])
    // Of another user's topic: the cursor is only a number then.
    expect(await missedAfter(store, ids[1] as number, [a])).toEqual([ids[2], ids[3]])
  })

  test('events that one transaction wrote are not given again for their last one', async () => {
    const { store } = on()
    const [a = '', b = ''] = await createTopics(store, 2)
    const { entries } = await store.transaction(async (tx) => {
      await tx.lock([a, b])
      tx.append({ topics: [a], kind: 'test', payload: {} })
      tx.append({ topics: [b], kind: 'test', payload: {} })
    })
    expect(await missedAfter(store, entries[1]?.event.id as number, [a, b])).toEqual([])
    expect(await missedAfter(store, entries[0]?.event.id as number, [a, b])).toEqual([entries[1]?.event.id])
  })

  test('an id that was never given out is not known', async () => {
    const { store } = on()
    const [a = ''] = await createTopics(store, 1)
    const id = idOf(await log(store, [a]))
    expect((await store.log.positionsAfter(id, [a])).known).toBe(true)
    expect((await store.log.positionsAfter(0, [a])).known).toBe(true)
    expect((await store.log.positionsAfter(id + 1_000_000, [a])).known).toBe(false)
    expect((await store.log.positionsAfter(Number.MAX_SAFE_INTEGER, [a])).known).toBe(false)
    expect((await store.log.positionsAfter(2 ** 60, [a])).known).toBe(false)
  })

  test('retention takes old events away, says so, and leaves the numbers alone', async () => {
    const { store, query } = on()
    const [a = '', b = '', reader = ''] = await createTopics(store, 3)
    const ids: number[] = []
    for (let index = 0; index < 5; index++) ids.push(idOf(await log(store, index === 1 ? [a, b] : [a])))
    await query(`UPDATE events SET created_at = now() - interval '2 hours' WHERE topic IN ('${a}', '${b}') AND id <= ${ids[2]}`)
    await query(
      `INSERT INTO past_memberships (user_id, topic, since_seq, until_seq, created_at)
       VALUES (1, '${reader}', 0, 1, now() - interval '3 hours'), (1, '${reader}', 1, 2, now())`,
    )
    expect(await store.log.sweep(4, 100)).toBe(0)
    expect(await store.log.sweep(1, 3)).toBe(3)
    expect(await store.log.sweep(1, 3)).toBe(1)
    expect(await store.log.sweep(1, 3)).toBe(0)
    expect((await store.log.read(whole(a), 10)).map(({ seq }) => seq)).toEqual([4, 5])
    const { positions } = await store.log.positionsAfter(ids[0] as number, [a, b])
    expect(positions.get(a)).toEqual({ seq: 3, sweptSeq: 3, isSwept: true })
    expect(positions.get(b)).toEqual({ seq: 1, sweptSeq: 1, isSwept: true })
    expect((await store.log.positionsAfter(ids[2] as number, [b])).positions.get(b)?.isSwept).toBe(false)
    expect(await missedAfter(store, ids[3] as number, [a, b])).toEqual([ids[4]])
    expect((await log(store, [a]))[0]?.seq).toBe(6)
    expect(await query(`SELECT until_seq::int AS seq FROM past_memberships WHERE topic = '${reader}'`)).toEqual([{ seq: 2 }])
  })

  test('a snapshot knows what retention took of what it shows, and what of what came after it', async () => {
    const { store, query } = on()
    const [a = '', b = ''] = await createTopics(store, 2)
    const before = (await store.installation.position()).position
    await log(store, [a, b])
    const between = (await store.installation.position()).position
    await log(store, [a])
    await query(`UPDATE events SET created_at = now() - interval '2 hours' WHERE topic IN ('${a}', '${b}')`)
    await store.log.sweep(1, 100)
    const after = (await store.installation.position()).position
    const seqs = async (cursor: typeof before) => {
      const { known, positions } = await store.log.positionsAfter(cursor, [a, b])
      return { known, a: positions.get(a), b: positions.get(b) }
    }
    const [ofA, ofB] = [2, 1].map((seq) => ({ seq, sweptSeq: seq, isSwept: true }))
    expect(await seqs(before)).toEqual({ known: true, a: ofA, b: ofB })
    expect(await seqs(between)).toEqual({ known: true, a: ofA, b: { ...ofB, isSwept: false } })
    expect(await seqs(after)).toEqual({ known: true, a: { ...ofA, isSwept: false }, b: { ...ofB, isSwept: false } })
    expect(await seqs({ ...after, at: after.at - 2 * 3_600_000 })).toMatchObject({ known: false })
    expect(await seqs({ ...after, epoch: '00000000-0000-4000-8000-000000000000' })).toMatchObject({ known: false })
    const [, xmax = ''] = after.snapshot.split(':')
    const future = BigInt(xmax) + 1000n
    expect(await seqs({ ...after, snapshot: `${future}:${future}:` })).toMatchObject({ known: false })
  })
})

describeServer((on) => {
  /** Writes an event whose transaction stays open until `commit` is called. */
  const logSlowly = async ({ prisma }: Database, topic: string): Promise<{ id: number; commit: () => Promise<void> }> => {
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    let committed: Promise<unknown> = Promise.resolve()
    const id = await new Promise<number>((resolve, reject) => {
      committed = prisma.$transaction(async (db) => {
        const heads = await lockTopics(db, [topic])
        resolve(idOf(await appendEvents(db, heads, [{ topics: [topic], kind: 'late', payload: {} }])))
        await released
      })
      committed.catch(reject)
    })
    return {
      id,
      async commit() {
        release()
        await committed
      },
    }
  }

  test('an event that commits after one with a higher id is missed by whoever resumes after that one', async () => {
    const { store } = on()
    const other = await on().another()
    const [a = '', b = ''] = await createTopics(store, 2)
    const before = idOf(await log(store, [a]))
    const late = await logSlowly(other.database, a)
    const overtaking = idOf(await log(store, [b]))
    expect(late.id).toBeLessThan(overtaking)
    expect(await missedAfter(store, overtaking, [a, b])).toEqual([])
    await late.commit()
    expect(await missedAfter(store, overtaking, [a, b])).toEqual([late.id])
    const after = idOf(await log(store, [a]))
    expect(await missedAfter(store, overtaking, [a, b])).toEqual([late.id, after])
    // Readers who saw the end of that topic saw the late one too; an event written later treats it as committed.
    expect(await missedAfter(store, after, [a, b])).toEqual([])
    expect(await missedAfter(store, idOf(await log(store, [b])), [a, b])).toEqual([])
    expect(await missedAfter(store, before, [a, b])).toHaveLength(4)
  })

  test('a transaction that is open elsewhere makes nobody receive again what was committed beside it', async () => {
    const { store } = on()
    const other = await on().another()
    const [a = '', b = '', c = ''] = await createTopics(store, 3)
    const open = await logSlowly(other.database, c)
    await log(store, [a])
    const cursor = idOf(await log(store, [b]))
    expect(await missedAfter(store, cursor, [a, b])).toEqual([])
    await open.commit()
  })

  test('whoever writes to a locked topic waits for the one before, and counts on from there', async () => {
    const { store } = on()
    const other = await on().another()
    const [a = '', b = ''] = await createTopics(store, 2)
    const slow = await logSlowly(other.database, a)
    const waiting = log(store, [b, a])
    await slow.commit()
    const [inB, inA] = await waiting
    expect([inB?.seq, inA?.seq]).toEqual([1, 2])
    expect(inA?.event.id).toBeGreaterThan(slow.id)
  })

  test('nodes that sweep at once take each event once', async () => {
    const { store, query } = on()
    const other = (await on().another()).store
    const topics = await createTopics(store, 5)
    for (let index = 0; index < 10; index++) await log(store, topics)
    const list = topics.map((topic) => `'${topic}'`).join(', ')
    await query(`UPDATE events SET created_at = now() - interval '5 hours' WHERE topic IN (${list})`)
    const counts = await Promise.all([store.log.sweep(4, 1000), other.log.sweep(4, 1000), log(store, topics)])
    expect(Number(counts[0]) + Number(counts[1])).toBe(50)
    for (const topic of topics) expect((await store.log.read(whole(topic), 100)).map(({ seq }) => seq)).toEqual([11])
  })
})
