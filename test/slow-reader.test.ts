import { once } from 'node:events'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startApp, type TestApp } from './support/app.ts'

// Much goes over sockets here, which a loaded machine does slowly.
vi.setConfig({ testTimeout: 90_000 })

let app: TestApp
beforeAll(async () => {
  app = await startApp({ MAX_BUFFERED_BYTES: '65536', MAX_FRAME_BYTES: '65536' })
})
afterAll(() => app.stop())

/** 15,000 bytes: what waits is over the limit after a few. */
const LONG = '消'.repeat(5000)

test('a replay much larger than the limit of waiting bytes reaches a client that reads, whole and in order', async () => {
  const [ann, bob] = [await app.user(), await app.user()]
  const sender = await app.ready(ann)
  const count = 100
  for (let sent = 0; sent < count; sent++) {
    expect((await sender.request('message_sent', { receiver_id: bob.id, content: `${sent} ${LONG.slice(10)}` })).code).toBe(200)
  }
  const reader = await app.ready(bob, { headers: { 'last-event-id': '0' } })
  const answer = await reader.inbox.next(({ type }) => type === 'resume')
  expect(answer.data).toEqual({ success: true, replayed: count, complete: true })
  const numbers = reader.inbox.drain().map(({ data }) => Number.parseInt(String(data.content), 10))
  expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index))
})

test('a client that reads nothing is closed with 4508 and finds everything by resume; nobody else notices', async () => {
  const [ann, bob, eve] = [await app.user(), await app.user(), await app.user()]
  const created = await app
    .over(ann)
    .data('mutation ($ids: [ID!]) { createGroup(input: { name: "G", memberIds: $ids }) { id } }', {
      ids: [String(bob.id), String(eve.id)],
    })
  const conversation = `group_${(created as { createGroup: { id: string } }).createGroup.id}`
  const sender = await app.ready(ann)
  const stalled = await app.ready(bob)
  const watcher = await app.ready(eve)
  stalled.socket.pause()
  const contents: string[] = []
  // More than the kernel takes for a socket that nobody reads.
  for (let sent = 0; sent < 700; sent++) {
    const content = `${sent} ${LONG.slice(10)}`
    contents.push(content)
    await sender.request('message_sent', { conversation_id: conversation, content, is_group: true })
  }
  const seen = (await watcher.settle()).filter(({ type }) => type === 'message_sent').map(({ data }) => data.content as string)
  expect(seen).toEqual(contents)
  stalled.socket.resume()
  expect((await stalled.closed).code).toBe(4508)
  const got = stalled.inbox.drain().filter(({ type }) => type === 'message_sent')
  expect(got.length).toBeLessThan(contents.length)
  const back = await app.ready(bob, { headers: { 'last-event-id': got.at(-1)?.message_id ?? '0' } })
  expect((await back.inbox.next(({ type }) => type === 'resume')).data.complete).toBe(true)
  const rest = back.inbox.drain().filter(({ type }) => type === 'message_sent')
  expect([...got, ...rest].map(({ data }) => data.content as string)).toEqual(contents)
  back.socket.close()
  await once(back.socket, 'close')
})
