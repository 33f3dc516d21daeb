import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createTestChat } from '../support/chat.ts'
import { createServerDatabase, describeOwnEngines, describeServer, dropServerDatabase, open } from '../support/database.ts'
import type { HistoryRepair } from '../../src/store/history.ts'
import { createStore } from '../../src/store/store.ts'

const run = promisify(execFile)

describeOwnEngines((on) => {
  test('a database that is where it was is left alone, however often and by how many servers it is looked at', async () => {
    const node = createTestChat(on().store)
    const [a = 0, b = 0] = await node.users(2)
    await node.send(a, { receiverId: b })
    const before = await on().query('SELECT last_value::int AS id FROM events_id_seq')
    await on().store.checkHistory()
    await on().store.checkHistory()
    expect(await on().query('SELECT last_value::int AS id FROM events_id_seq')).toEqual(before)
    await node.close()
  })
})

describeServer((on) => {
  test('of another cluster, what is a little lower than a cursor may not have been delivered, and is repeated', async () => {
    const node = createTestChat(on().store)
    const [a = 0, b = 0, c = 0, d = 0] = await node.users(4)
    await node.send(a, { receiverId: b })
    await node.send(c, { receiverId: d })
    const cursor = await on().store.log.lastId()
    const topics = [`user:${a}`, `user:${c}`]
    const positions = async (): Promise<(number | undefined)[]> => {
      const after = await on().store.log.positionsAfter(cursor, topics)
      return topics.map((topic) => after.positions.get(topic)?.seq)
    }
    expect(await positions()).toEqual([1, 1])
    // What a repair does where the transaction ids are of another cluster.
    await on().database.prisma.$executeRawUnsafe(`UPDATE events SET xid = 0 WHERE topic IN ('${topics.join("', '")}')`)
    expect(await positions()).toEqual([0, 1])
    await node.close()
  })

  test('after a restore from a dump, ids go on beyond what was lost, and cursors of it are not complete', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-test-'))
    const node = createTestChat(on().store)
    const [a = 0, b = 0] = await node.users(2)
    await on().store.checkHistory()
    const kept = await node.send(a, { receiverId: b }, { content: 'kept' })
    const keptEvent = await on().store.log.lastId()
    const file = join(folder, 'dump')
    await run('pg_dump', ['-Fc', '-f', file, on().url ?? ''])
    const lost = await node.send(a, { receiverId: b }, { content: 'lost' })
    const lostEvent = await on().store.log.lastId()
    const epoch = await on().query('SELECT epoch FROM installation')

    const url = await createServerDatabase()
    await run('pg_restore', ['-d', url, file])
    const restored = await open({ databaseUrl: url })
    const repairs: HistoryRepair[] = []
    const onRepaired = (repair: HistoryRepair): void => void repairs.push(repair)
    const store = createStore(restored, { onRepaired })
    await store.checkHistory()
    expect(repairs).toEqual([{ lastEventId: keptEvent }])
    expect(await restored.prisma.$queryRawUnsafe('SELECT epoch FROM installation')).not.toEqual(epoch)

    const topic = `user:${b}`
    const [headBefore = 0] = [...(await store.log.heads([topic])).values()]
    const after = createTestChat(store)
    const next = await after.send(a, { receiverId: b }, { content: 'next' })
    expect(next.id).toBeGreaterThan(lost.id + 1000)
    // A node that had the lost event goes on from its own position, behind which nothing is missing.
    const entries = await store.log.read({ topic, after: headBefore - 1_000_000 + 1, until: Number.MAX_SAFE_INTEGER }, 10)
    expect(entries.map(({ event }) => (event.payload as { content: string }).content)).toEqual(['next'])
    expect(await store.log.positionsAfter(keptEvent, [topic])).toMatchObject({ known: true })
    expect(await store.log.positionsAfter(lostEvent, [topic])).toMatchObject({ known: false })
    expect(await store.log.positionsAfter(await store.log.lastId(), [topic])).toMatchObject({ known: true })
    expect((await store.messages.byIds([kept.id])).get(kept.id)?.content).toBe('kept')
    // Another server that looks finds it repaired.
    await createStore(restored, { onRepaired }).checkHistory()
    expect(repairs).toHaveLength(1)

    await node.close()
    await after.close()
    await restored.close()
    await dropServerDatabase(url)
    await rm(folder, { recursive: true })
  })
})
