import { expect, test } from 'vitest'
import { newUserId } from './support/chat.ts'
import { describeEngines, describeServer } from './support/database.ts'

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
})
