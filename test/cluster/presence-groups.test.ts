import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, type TestApp, type TestUser } from '../support/app.ts'
import { skipCluster, startCluster } from '../support/cluster.ts'
import type { Frame } from '../support/legacy-client.ts'
import { createGroup, run, say } from '../support/people.ts'

const LIMIT = '3'

/** `near` is always the same node. */
const PLACES: { name: string; skip: boolean; open: () => Promise<{ app: TestApp; near: TestApp; stop(): Promise<void> }> }[] = [
  {
    name: 'one node',
    skip: false,
    async open() {
      const app = await startApp({ PRESENCE_GROUP_LIMIT: LIMIT })
      return { app, near: app, stop: () => app.stop() }
    },
  },
  {
    name: 'two nodes',
    skip: skipCluster,
    async open() {
      const { anywhere, nodes, stop } = await startCluster(2, { PRESENCE_GROUP_LIMIT: LIMIT })
      return { app: anywhere, near: nodes[0] as TestApp, stop }
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
      const { app, near } = opened
      const users = await Promise.all(['ann', 'bob', 'cat', 'eve', 'fay'].map((name) => app.user(name)))
      const [ann, bob, cat, eve, fay] = users as [TestUser, TestUser, TestUser, TestUser, TestUser]
      const group = await createGroup(app, ann, [bob, cat])
      await say(app, ann, eve, 'we know each other')
      for (const partner of [bob, cat, eve]) await say(app, fay, partner, 'we too')
      // Both receive a user's presence in the same moment.
      const [observer, witness] = [await near.ready(ann), await near.ready(fay)]
      const isSeen = (user: TestUser, online: boolean): Promise<Frame> =>
        witness.inbox.next(({ type, data }) => type === 'online_status' && data.user_id === user.id && data.online === online)
      /** Whose presence the observer receives as this user comes and goes. */
      const toldOf = async (user: TestUser): Promise<number[]> => {
        await (await app.ready(user)).close()
        await isSeen(user, false)
        const told = (await observer.settle()).filter(({ type }) => type === 'online_status')
        return [...new Set(told.map(({ data }) => data.user_id as number))]
      }
      expect(await toldOf(bob)).toEqual([bob.id])

      // The fourth member is a contact, too, and is announced as such.
      await run(app, ann, `inviteToGroup(groupId: "${group.id}", userIds: ["${eve.id}"]) { id }`)
      expect(await toldOf(cat)).toEqual([])
      expect(await toldOf(eve)).toEqual([eve.id])
      witness.inbox.drain()
      const present = await app.ready(eve)
      await isSeen(eve, true)
      expect((await app.over(ann).data(`{ user(id: "${eve.id}") { online } }`)).user).toEqual({ online: true })
      await present.close()
      await isSeen(eve, false)

      await run(app, ann, `removeGroupMember(groupId: "${group.id}", userId: "${eve.id}") { id }`)
      await observer.settle()
      expect(await toldOf(cat)).toEqual([cat.id])
    })
  })
})
