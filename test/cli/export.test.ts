import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportFile } from '../../src/cli/export.ts'
import { importFile } from '../../src/cli/import.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { copyDatabase, copyServerDatabase, dropServerDatabase, skipServer } from '../support/database.ts'
import { runCommand, runScript } from '../support/script.ts'

const ENGINES = [
  { name: 'the embedded database', skip: false, isServer: false },
  { name: 'PostgreSQL', skip: skipServer, isServer: true },
]

describe.each(ENGINES.filter(({ skip }) => !skip))('$name', ({ isServer }) => {
  const folders: string[] = []
  const urls: string[] = []
  async function emptyDatabase(): Promise<Record<string, string>> {
    if (isServer) {
      const url = await copyServerDatabase()
      urls.push(url)
      return { DATABASE_URL: url }
    }
    const folder = await copyDatabase()
    folders.push(folder)
    return { DATA_DIR: folder }
  }
  let env: Record<string, string>
  const ids: Record<string, number> = {}

  beforeAll(async () => {
    env = await emptyDatabase()
    const app: TestApp = await startApp(env)
    try {
      const [ann, bob, eve] = [await app.user('Ann'), await app.user('Bob'), await app.user('Eve')]
      Object.assign(ids, { ann: ann.id, bob: bob.id, eve: eve.id })
      const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'
      const send = async (user: typeof ann, input: object): Promise<string> =>
        (await app.over(user).data(SEND, { input })).sendMessage.id as string
      const first = await send(ann, { receiverId: String(bob.id), content: 'first', clientMessageId: 'a key' })
      await send(bob, { receiverId: String(ann.id), content: 'an answer', replyToId: first, mentionIds: [String(ann.id)] })
      const slip = await send(ann, { receiverId: String(bob.id), content: 'a slip' })
      await app.over(ann).data(`mutation { deleteMessage(messageId: "${slip}") { id } }`)
      await app.over(ann).data(`mutation { editMessage(input: { messageId: "${first}", content: "edited" }) { id } }`)
      await app.over(bob).data(`mutation { addReaction(messageId: "${first}", reaction: "👍") { count } }`)
      await app.over(bob).data(`mutation { markMessageRead(messageId: "${first}") { readAt } }`)
      const { createGroup } = await app
        .over(ann)
        .data(
          'mutation ($ids: [ID!]!) { createGroup(input: { name: "G", memberIds: $ids, historyVisible: false }) { id conversation { id } } }',
          { ids: [String(bob.id)] },
        )
      const conversationId = createGroup.conversation.id as string
      const inGroup = await send(ann, {
        conversationId,
        content: '群里的消息',
        mentionAll: true,
        mediaUrl: 'https://media.example/x',
      })
      await app.over(ann).data(`mutation { inviteToGroup(groupId: "${createGroup.id}", userIds: ["${eve.id}"]) { id } }`)
      await app
        .over(bob)
        .data(`mutation { markConversationRead(conversationId: "${conversationId}", upToMessageId: "${inGroup}") }`)
      await app.over(bob).data(`mutation { reportMessage(messageId: "${inGroup}", reason: "rude") { id } }`)
      await app.over(bob).data(`mutation { blockUser(userId: "${eve.id}") { id } }`)
      await app
        .over(bob)
        .data(`mutation { updateConversationSettings(conversationId: "${conversationId}", input: { pinned: true }) { id } }`)
      await app.admin.data(
        `mutation { pushSystemNotification(notificationType: "t", data: { a: null }, userIds: ["${bob.id}"]) }`,
      )
    } finally {
      await app.stop()
    }
  })
  afterAll(async () => {
    for (const url of urls) await dropServerDatabase(url)
    for (const folder of folders) await rm(folder, { recursive: true })
  })

  test('everything, imported into an empty database and exported again, is the same file', async () => {
    const first = await runScript('parley export', [], env)
    expect(first).toMatchObject({ status: 0 })
    const lines = first.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string })
    expect(new Set(lines.map(({ type }) => type))).toEqual(
      new Set(['user', 'conversation', 'group', 'message', 'receipt', 'reaction', 'read']),
    )
    const folder = await mkdtemp(join(tmpdir(), 'parley-export-'))
    folders.push(folder)
    const file = join(folder, 'all.ndjson')
    await writeFile(file, first.out)
    const other = await emptyDatabase()
    const imported = await runCommand(importFile, [file], other)
    expect(imported, imported.err).toMatchObject({ status: 0 })
    const second = await runCommand(exportFile, [], other)
    expect(second.out).toBe(first.out)
  })

  test('everything of one user, and nothing that others said', async () => {
    const { status, out, err } = await runCommand(exportFile, ['--user', String(ids['bob'])], env)
    expect(status, err).toBe(0)
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(new Set(lines.map(({ type }) => type))).toEqual(
      new Set([
        'user',
        'conversation',
        'group',
        'message',
        'receipt',
        'reaction',
        'read',
        'settings',
        'notification',
        'block',
        'report',
        'audit_entry',
      ]),
    )
    expect(lines.filter(({ type }) => type === 'message')).toMatchObject([{ sender_id: ids['bob'], content: 'an answer' }])
    expect(lines.find(({ type }) => type === 'notification')).toMatchObject({ data: { a: null } })
    expect(lines.find(({ type }) => type === 'group')).toMatchObject({ members: [{ user_id: ids['bob'] }] })
  })

  test('a user who is not there', async () => {
    expect(await runCommand(exportFile, ['--user', '2147483647'], env)).toMatchObject({
      status: 1,
      err: 'There is no user 2147483647.\n',
      out: '',
    })
  })
})
