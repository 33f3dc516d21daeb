import { expect, test } from 'vitest'
import { newUserId } from '../support/chat.ts'
import { describeEngines, describeServer } from '../support/database.ts'

const AVATAR = 'https://example.org/a.png'

describeEngines((on) => {
  test('a user without a name is called user<id>, and what a profile leaves out stays as it is', async () => {
    const { users } = on().store
    const [id, other] = [newUserId(), newUserId()]
    const stored = async (): Promise<unknown> => (await users.byIds([id])).get(id)
    await users.upsert([
      { id, name: undefined, avatar: undefined },
      { id: other, name: 'Bo', avatar: null },
    ])
    expect(await stored()).toEqual({ id, name: `user${id}`, avatar: null, lastActive: null })
    await users.upsert([{ id, name: 'Ann', avatar: AVATAR }])
    await users.upsert([{ id, name: undefined, avatar: undefined }])
    expect(await stored()).toMatchObject({ name: 'Ann', avatar: AVATAR })
    await users.upsert([{ id, name: 'Anna', avatar: undefined }])
    expect(await stored()).toMatchObject({ name: 'Anna', avatar: AVATAR })
    await users.upsert([{ id, name: undefined, avatar: null }])
    expect(await stored()).toMatchObject({ name: 'Anna', avatar: null })
    expect((await users.byIds([other, 1])).get(other)?.name).toBe('Bo')
  })

  test('what was said later stays, whatever comes when; without a time the latest counts, until there is one', async () => {
    const { users } = on().store
    const id = newUserId()
    const say = async (name: string, statedAt: number | 'now' | undefined): Promise<string | undefined> => {
      await users.upsert([{ id, name, avatar: undefined, statedAt }])
      return (await users.byIds([id])).get(id)?.name
    }
    const base = Date.now() - 100_000
    expect(await say('a', undefined)).toBe('a')
    expect(await say('b', undefined)).toBe('b')
    expect(await say('at 20', base + 20_000)).toBe('at 20')
    expect(await say('no time', undefined)).toBe('at 20')
    expect(await say('at 10', base + 10_000)).toBe('at 20')
    expect(await say('also at 20', base + 20_000)).toBe('at 20')
    expect(await say('at 30', base + 30_000)).toBe('at 30')
    // The same value stated later counts as later.
    expect(await say('at 30', base + 50_000)).toBe('at 30')
    expect(await say('at 40', base + 40_000)).toBe('at 30')
    expect(await say('an admin', 'now')).toBe('an admin')
    expect(await say('at 60', base + 60_000)).toBe('an admin')
    expect(await say('another admin', 'now')).toBe('another admin')
    // Counts as now, and so keeps nothing that follows from counting.
    expect(await say('from the future', Date.now() + 3_600_000)).toBe('from the future')
    expect(await say('an admin after it', 'now')).toBe('an admin after it')
  })

  test('name and avatar each have their own time', async () => {
    const { users } = on().store
    const id = newUserId()
    const at = Date.now() - 100_000
    await users.upsert([{ id, name: undefined, avatar: AVATAR, statedAt: at + 20_000 }])
    await users.upsert([{ id, name: 'Ann', avatar: null, statedAt: at + 10_000 }])
    expect((await users.byIds([id])).get(id)).toMatchObject({ name: 'Ann', avatar: AVATAR })
    await users.upsert([{ id, name: undefined, avatar: null, statedAt: at + 30_000 }])
    expect((await users.byIds([id])).get(id)).toMatchObject({ name: 'Ann', avatar: null })
  })

  test('the last activity only goes forward, for those who exist', async () => {
    const { users } = on().store
    const [id, unknown] = [newUserId(), newUserId()]
    await users.upsert([{ id, name: undefined, avatar: undefined }])
    const touch = async (at: number): Promise<unknown> => {
      await users.touch(
        new Map([
          [unknown, at],
          [id, at],
        ]),
      )
      return (await users.byIds([id, unknown])).get(id)?.lastActive
    }
    const now = Date.parse('2024-07-01T12:00:00.123Z')
    expect(await touch(now)).toBe(now)
    expect(await touch(now - 1)).toBe(now)
    expect(await touch(now + 1)).toBe(now + 1)
  })
})

describeServer((on) => {
  test('nodes that write the same users at once, in any order, do not stand in each other\u2019s way', async () => {
    const stores = [on().store, (await on().another()).store]
    const ids = Array.from({ length: 300 }, newUserId)
    const writes = Array.from({ length: 24 }, (_, index) => {
      const { users } = stores[index % 2] as (typeof stores)[number]
      const order = index % 4 < 2 ? ids : ids.toReversed()
      return index % 3 === 0
        ? users.touch(new Map(order.map((id) => [id, Date.now() + index])))
        : users.upsert(order.map((id) => ({ id, name: `name ${index}`, avatar: undefined })))
    })
    await Promise.all(writes)
    expect((await on().store.users.byIds(ids)).size).toBe(ids.length)
  })

  test('of tokens that come at once on two nodes the one that was issued last names new users', async () => {
    const stores = [on().store, (await on().another()).store]
    const ids = Array.from({ length: 200 }, newUserId)
    const at = Date.now() - 100_000
    const writes = Array.from({ length: 12 }, (_, index) => {
      const { users } = stores[index % 2] as (typeof stores)[number]
      const turn = (index * 5) % 12
      return users.upsert(ids.map((id) => ({ id, name: `token ${turn}`, avatar: undefined, statedAt: at + turn * 1000 })))
    })
    await Promise.all(writes)
    const names = new Set([...(await on().store.users.byIds(ids)).values()].map(({ name }) => name))
    expect([...names]).toEqual(['token 11'])
  })
})
