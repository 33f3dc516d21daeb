import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, type TestApp, type TestUser } from '../support/app.ts'
import { skipCluster, startCluster } from '../support/cluster.ts'
import type { LegacyClient } from '../support/legacy-client.ts'
import { createGroup, run, say } from '../support/people.ts'

const LIMIT = '3'

/** Users whose presence the client receives within a turn that ends with `last`, who shares a conversation with it. */
async function toldBefore(client: LegacyClient, last: TestUser): Promise<number[]> {
  const told: number[] = []
  for (;;) {
    const { data } = await client.inbox.next(({ type, data }) => type === 'online_status' && data.online)
    if (data.user_id === last.id) return told
    told.push(data.user_id as number)
  }
}

const PLACES: { name: string; skip: boolean; open: () => Promise<{ app: TestApp; stop(): Promise<void> }> }[] = [
  {
    name: 'one node',
    skip: false,
    async open() {
      const app = await startApp({ PRESENCE_GROUP_LIMIT: LIMIT })
      return { app, stop: () => app.stop() }
    },
  },
  {
    name: 'two nodes',
    skip: skipCluster,
    async open() {
      const { anywhere, stop } = await startCluster(2, { PRESENCE_GROUP_LIMIT: LIMIT })
      return { app: anywhere, stop }
    },
  },
]

describe.each(PLACES)('presence in groups of $name', ({ skip, open }) => {
  describe.skipIf(skip)('with a limit of three members', () => {
    let opened: Awaited<ReturnType<typeof open>>
    beforeAll(async () => {
      opened = await open()
    })
    afterAll(() => opened.stop())

    test('members of a larger group are told of direct partners only, and of all again when it is small enough', async () => {
      const { app } = opened
      const users = await Promise.all(['ann', 'bob', 'cat', 'dan', 'eve'].map((name) => app.user(name)))
      const [ann, bob, cat, dan, eve] = users as [TestUser, TestUser, TestUser, TestUser, TestUser]
      const group = await createGroup(app, ann, [bob, cat])
      for (const partner of [dan, eve]) await say(app, ann, partner, 'we know each other')
      const observer = await app.ready(ann)

      const comesAndGoes = async (user: TestUser): Promise<void> => (await app.ready(user)).close()
      await comesAndGoes(bob)
      const one = await app.ready(dan)
      expect(await toldBefore(observer, dan)).toEqual([bob.id])

      // The fourth member is a contact, too, and is announced as such.
      await run(app, ann, `inviteToGroup(groupId: "${group.id}", userIds: ["${eve.id}"]) { id }`)
      await one.close()
      await observer.inbox.next(({ type, data }) => type === 'online_status' && data.user_id === dan.id && !data.online)
      await comesAndGoes(cat)
      const two = await app.ready(eve)
      expect(await toldBefore(observer, eve)).toEqual([])
      expect((await app.over(ann).data(`{ user(id: "${eve.id}") { online } }`)).user).toEqual({ online: true })
      await two.close()

      await run(app, ann, `removeGroupMember(groupId: "${group.id}", userId: "${eve.id}") { id }`)
      await comesAndGoes(cat)
      await app.ready(dan)
      expect(await toldBefore(observer, dan)).toEqual([cat.id])
    })
  })
})
