import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp, type TestApp } from '../support/app.ts'

let app: TestApp
beforeAll(async () => {
  app = await startApp({ MAX_CONNECTIONS_PER_USER: '100' })
})
afterAll(() => app.stop())

test('who connects while messages come gets each of them once: by replay those before, live those after', async () => {
  const [ann, bob] = [await app.user(), await app.user()]
  const sender = await app.ready(ann)
  const contents: string[] = []
  let isConnecting = true
  const sending = (async () => {
    while (isConnecting) {
      const content = String(contents.length)
      contents.push(content)
      await sender.request('message_sent', { receiver_id: bob.id, content })
    }
  })()
  const readers = []
  for (let opened = 0; opened < 40; opened++) readers.push(await app.ready(bob))
  isConnecting = false
  await sending
  for (const reader of readers) {
    // A replay brings what this connection has not received yet, so that a message lost while it opened would stay lost.
    reader.send({ type: 'resume', data: { last_message_id: '0' } })
    await reader.inbox.next(({ type }) => type === 'resume')
    const got = reader.inbox.drain().map(({ data }) => data.content as string)
    expect(got.toSorted((a, b) => Number(a) - Number(b))).toEqual(contents)
  }
})
