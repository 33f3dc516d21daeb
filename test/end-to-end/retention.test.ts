import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { startApp, type TestApp } from '../support/app.ts'
import { copyServerDatabase, dropServerDatabase, serverQuery, skipServer } from '../support/database.ts'
import type { Data } from '../support/graphql-client.ts'
import { people, run, say } from '../support/people.ts'

const pgDump = async (url: string): Promise<string> =>
  (await promisify(execFile)('pg_dump', ['--inserts', '--data-only', url], { maxBuffer: 2 ** 28 })).stdout

/** Nothing of what somebody wrote is in a dump of the database, and a resume over the place is complete, in order, without errors. */
describe.skipIf(skipServer)('where contents were taken away for good', () => {
  const EVENTS = `subscription ($after: ID) { events(after: $after) {
    __typename id
    ... on MessageSent { message { id content mediaUrl sender { id name } replyTo { id content } reactions { reaction } } }
    ... on MessageRead { messageId }
    ... on ReactionAdded { messageId reaction }
  } }`

  /** Everything after a position over both protocols, up to the message `last`. */
  async function resumes(app: TestApp, user: { id: number; name: string }, after: string, last: number) {
    const legacy = await app.ready(user)
    const answer = await legacy.request('resume', { last_message_id: after })
    expect(answer).toMatchObject({ code: 200, data: { complete: true } })
    const frames = legacy.texts.map((text) => JSON.parse(text) as { type: string; message_id?: string; data: { id?: number } })
    expect(frames.filter(({ type }) => type === 'error')).toEqual([])
    const stream = await app.graphqlWs(user).subscribe(EVENTS, { after }, { untilOpen: false })
    const events: Data[] = []
    do {
      const { data, errors } = await stream.inbox.next()
      expect(errors).toBeUndefined()
      events.push(data?.events)
    } while (events.at(-1)?.message?.id !== String(last))
    stream.close()
    const ids = events.map(({ id }) => Number(id))
    expect(ids).toEqual(ids.toSorted((a, b) => a - b))
    expect(frames.findLast(({ type }) => type === 'message_sent')?.data.id).toBe(last)
    await legacy.close()
    return { events, texts: [...legacy.texts, JSON.stringify(events)].join() }
  }

  test.each(['retention', 'eraseUser'])('by %s', async (how) => {
    const url = await copyServerDatabase()
    let app = await startApp({ DATABASE_URL: url })
    try {
      const { 'A secret name': ann, bob } = await people(app, 'A secret name', 'bob')
      const send = (content: string, more = ''): Promise<Data> =>
        run(app, ann, `sendMessage(input: { receiverId: ${bob.id}, content: "${content}" ${more} }) { id }`)
      const first = await send('a secret text', 'mediaUrl: "https://media.example/secret.png", clientMessageId: "secret-key"')
      const second = await send('another secret text')
      await run(app, bob, `addReaction(messageId: "${second.id}", reaction: "🦄") { count }`)
      await run(app, bob, `sendMessage(input: { receiverId: ${ann.id}, content: "an answer", replyToId: "${first.id}" }) { id }`)
      const cursor = ((await app.over(bob).data('{ cursor }')) as { cursor: string }).cursor
      const last = await say(app, bob, ann, 'still here')
      if (how === 'retention') {
        await serverQuery(`UPDATE messages SET created_at = created_at - interval '40 days' WHERE id <= ${second.id}`, url)
        await app.stop()
        app = await startApp({ DATABASE_URL: url, MESSAGE_RETENTION_DAYS: '30' })
        const gone = async (): Promise<unknown> => (await app.over(bob).data(`{ message(id: "${second.id}") { id } }`)).message
        await expect.poll(gone).toBeNull()
      } else await app.admin.data(`mutation { eraseUser(userId: "${ann.id}") }`)

      const dump = (await pgDump(url)).split('\n').filter((line) => line.includes('secret'))
      // The name is the user's own: retention takes messages.
      expect(how === 'retention' ? dump.filter((line) => !line.includes('A secret name')) : dump).toEqual([])
      for (const after of ['0', cursor]) {
        const { events, texts } = await resumes(app, bob, after, last)
        expect(how === 'retention' ? texts.replaceAll('A secret name', '') : texts).not.toContain('secret')
        if (after === cursor) expect(events).toHaveLength(1)
      }
    } finally {
      await app.stop()
      await dropServerDatabase(url)
    }
  })
})
