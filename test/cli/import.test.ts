import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importFile } from '../../src/cli/import.ts'
import { startApp } from '../support/app.ts'
import {
  copyDatabase,
  copyServerDatabase,
  databaseName,
  dropServerDatabase,
  open,
  serverQuery,
  skipServer,
  statementsBehind,
} from '../support/database.ts'
import { runCommand, runScript, startScript } from '../support/script.ts'

const ann = { id: 1, name: 'Ann' }
const bob = { id: 2, name: 'Bob' }
const cat = { id: 3, name: 'Cat' }

const AT = '2021-03-04T05:06:07Z'
const message = (id: number, more: object): object => ({ type: 'message', id, content: `m${id}`, timestamp: AT, ...more })
const direct = (id: number, sender_id: number, more: object = {}): object =>
  message(id, { session_id: 'c-99', sender_id, ...more })
const inGroup = (id: number, sender_id: number, more: object = {}): object =>
  message(id, { session_id: 'group_7', sender_id, is_group: true, ...more })

const WORLD: readonly object[] = [
  { type: 'user', id: 1, name: 'Ann', avatar: 'https://example.com/a.png', last_active: AT, created_at: AT },
  { type: 'user', id: 2, name: 'Bob' },
  { type: 'user', id: 3, name: 'Cat' },
  { type: 'conversation', id: 'c-99', user_ids: [2, 1], created_at: AT },
  {
    type: 'group',
    id: 7,
    name: 'Hikers',
    announcement: 'Sunday',
    allow_invitation: false,
    members: [{ user_id: 3, role: 'owner', joined_at: AT }, { user_id: 1, role: 'admin' }, { user_id: 2 }],
  },
  direct(41, 1),
  direct(42, 2, { content: '你好', media_url: 'https://example.com/x.jpg', message_type: 'image' }),
  direct(43, 2),
  inGroup(50, 3),
  inGroup(51, 1),
  { type: 'receipt', message_id: 42, reader_id: 1, read_at: AT },
  { type: 'receipt', message_id: 50, is_group: true, reader_id: 2 },
  { type: 'reaction', message_id: 42, user_id: 1, reaction: '👍', timestamp: AT },
  { type: 'reaction', message_id: 42, user_id: 2, reaction: '👍' },
]

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-import-'))
})
afterAll(() => rm(folder, { recursive: true }))

const toText = (lines: readonly (object | string)[]): string =>
  lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('')

let files = 0
const fileOf = async (lines: readonly (object | string)[]): Promise<string> => {
  const path = join(folder, `${++files}.ndjson`)
  await writeFile(path, toText(lines))
  return path
}

type Env = Record<string, string>

/** Without the lines that tell every few seconds how far it is. */
const withoutProgress = (err: string): string => err.replace(/^\d+% {2}\d+ lines .*\n/gm, '')

async function runImport(args: readonly string[], env?: Env): ReturnType<typeof runCommand> {
  const result = await runCommand(importFile, args, env)
  return { ...result, err: withoutProgress(result.err) }
}

/** Everything that an import may write, but when it did. */
async function dump(env: Env): Promise<Record<string, unknown[]>> {
  const database = await open({ databaseUrl: env['DATABASE_URL'], dataDir: env['DATA_DIR'] ?? '' })
  try {
    const tables = {
      users: 'id, name, avatar, last_active',
      topics: 'name, seq::int',
      conversations: 'id, is_group, user_low, user_high',
      groups: 'id, conversation_id, name, announcement, allow_invitation, member_count',
      members: 'conversation_id, user_id, role::text, since_seq::int',
      messages: 'id::int, conversation_id, sender_id, content, message_type, media_url, client_key, created_at',
      receipts: 'message_id::int, reader_id, conversation_id, read_at',
      reactions: 'message_id::int, user_id, reaction, created_at',
      events: 'id::int',
      imports: 'id',
    }
    const found: Record<string, unknown[]> = {}
    for (const [table, columns] of Object.entries(tables))
      found[table] = await database.prisma.$queryRawUnsafe(`SELECT ${columns} FROM ${table} t ORDER BY t::text`)
    return found
  } finally {
    await database.close()
  }
}

const ENGINES = [
  {
    name: 'the embedded database',
    skip: false,
    async open(): Promise<Env> {
      return { DATA_DIR: await copyDatabase() }
    },
    close: (env: Env) => rm(env['DATA_DIR'] ?? '', { recursive: true, force: true }),
  },
  {
    name: 'PostgreSQL',
    skip: skipServer,
    async open(): Promise<Env> {
      return { DATABASE_URL: await copyServerDatabase() }
    },
    close: (env: Env) => dropServerDatabase(env['DATABASE_URL'] ?? ''),
  },
]

for (const engine of ENGINES) {
  describe.skipIf(engine.skip)(`importing into ${engine.name}`, () => {
    const opened: Env[] = []
    const database = async (): Promise<Env> => {
      const env = await engine.open()
      opened.push(env)
      return env
    }
    afterAll(async () => {
      for (const env of opened) await engine.close(env)
    })

    test('stores every type once, however often, and clients go on with the old ids over both protocols', async () => {
      const env = await database()
      const file = await fileOf(WORLD)
      const first = await runScript('parley import', [file], env)
      expect({ ...first, err: withoutProgress(first.err) }).toMatchObject({ status: 0, err: '' })
      expect(first.out).toMatch(/^user +3 +0 +0 +0$/m)
      expect(first.out).toMatch(/^message +5 +0 +0 +0$/m)
      expect(first.out).toContain('Everything is stored.')
      const stored = await dump(env)
      expect(stored['events']).toEqual([])
      expect(stored['imports']).toEqual([])
      const second = await runImport([file], env)
      expect(second).toMatchObject({ status: 0, err: '' })
      expect(second.out).toMatch(/^message +0 +0 +5 +0$/m)
      expect(await dump(env)).toEqual(stored)

      const app = await startApp(env)
      try {
        const [annLegacy, bobLegacy] = [await app.ready(ann), await app.ready(bob)]
        const query = `{ conversations { edges { node { id isGroup unreadCount lastMessage { id content } group { id memberCount }
          messages { edges { node { id sender { id } content messageType mediaUrl timestamp reactions { reaction count userIds }
            readBy { readerId readAt } } } } } } } }`
        const { edges } = (await app.over(ann).data(query)).conversations
        const nodes = Object.fromEntries(edges.map(({ node }: { node: { id: string } }) => [node.id, node]))
        expect(Object.keys(nodes).sort()).toEqual(['c-99', 'group_7'])
        expect(nodes['c-99']).toMatchObject({ isGroup: false, unreadCount: 1, lastMessage: { id: '43', content: 'm43' } })
        expect(nodes['group_7']).toMatchObject({
          unreadCount: 1,
          lastMessage: { id: '51' },
          group: { id: '7', memberCount: 3 },
        })
        expect(nodes['c-99'].messages.edges.map(({ node }: { node: { id: string } }) => node.id)).toEqual(['43', '42', '41'])
        expect(nodes['c-99'].messages.edges[1].node).toEqual({
          id: '42',
          sender: { id: '2' },
          content: '你好',
          messageType: 'image',
          mediaUrl: 'https://example.com/x.jpg',
          timestamp: '2021-03-04T05:06:07.000Z',
          reactions: [{ reaction: '👍', count: 2, userIds: ['1', '2'] }],
          readBy: [{ readerId: '1', readAt: '2021-03-04T05:06:07.000Z' }],
        })
        const roles = await app.over(bob).data('{ group(id: "7") { members { edges { node { user { id } role } } } } }')
        expect(roles.group.members.edges.map(({ node }: { node: { role: string } }) => node.role)).toEqual([
          'ADMIN',
          'MEMBER',
          'OWNER',
        ])

        // History is no news: nothing of it is replayed.
        const resumed = await annLegacy.request('resume', { last_message_id: '0' })
        expect(resumed.data).toEqual({ success: true, replayed: 0, complete: true })

        // The old ids of messages and conversations are those of the wire.
        expect(await annLegacy.request('message_read', { message_id: 43, is_group: false })).toMatchObject({ code: 200 })
        expect(await bobLegacy.inbox.next(({ type }) => type === 'message_read')).toMatchObject({
          data: { message_id: 43, is_group: false, reader_id: 1 },
        })
        expect(await annLegacy.request('typing', { session_id: 'c-99', typing: true })).toMatchObject({ code: 200 })
        expect(await bobLegacy.inbox.next(({ type }) => type === 'typing')).toMatchObject({ data: { session_id: 'c-99' } })
        const sent = await annLegacy.request('message_sent', { conversation_id: 'c-99', receiver_id: 2, content: 'new' })
        expect(sent).toMatchObject({ code: 200, data: { success: true } })
        const push = await bobLegacy.inbox.next(({ type }) => type === 'message_sent')
        expect(push.data).toMatchObject({ id: 52, session_id: 'c-99', sender_id: 1 })
        const canonical = await annLegacy.request('message_sent', { conversation_id: 'direct_1_2', receiver_id: 2, content: 'x' })
        expect(canonical).toMatchObject({ type: 'error', code: 400 })
        expect(canonical.data.details.error).toContain('c-99')
        const reply = 'mutation { sendMessage(input: { conversationId: "c-99", content: "reply" }) { id conversation { id } } }'
        expect((await app.over(bob).data(reply)).sendMessage).toMatchObject({ id: '53', conversation: { id: 'c-99' } })
        const toGroup = { conversation_id: 'group_7', content: 'to all', is_group: true }
        expect(await bobLegacy.request('message_sent', toGroup)).toMatchObject({ code: 200 })
        expect(await annLegacy.inbox.next(({ data }) => data.session_id === 'group_7')).toMatchObject({
          data: { id: 54, group_id: 7 },
        })
        const created = await app.over(cat).data('mutation { createGroup(input: { name: "New" }) { id } }')
        expect(Number(created.createGroup.id)).toBeGreaterThan(7)
      } finally {
        await app.stop()
      }

      // What happened since then is not undone by the same file.
      const before = await dump(env)
      expect(await runImport([file], env)).toMatchObject({ status: 0, err: '' })
      expect(await dump(env)).toEqual(before)
    })

    test('tells every bad line with its number and reason, and stores all others', async () => {
      const env = await database()
      const bad: [object | string, string | RegExp][] = [
        ['{"type":', 'not JSON'],
        [{ type: 'usr', id: 9 }, /^type is .*, expected one of user, conversation, group/],
        [direct(60, 9), /^there is no user 9: /],
        [direct(61, 3), 'user 3 is not in this conversation'],
        [direct(62, 1, { session_id: 'c-1' }), /^there is no conversation "c-1"/],
        [direct(63, 1, { is_group: true }), 'is_group does not agree with the conversation "c-99"'],
        [direct(41, 1, { content: 'other' }), 'there is another message of this id'],
        [direct(64, 1, { content: 'a\u0000b' }), /^content has a NUL/],
        [{ type: 'conversation', id: 'c-98', user_ids: [1, 2] }, 'these users have the conversation "c-99" already'],
        [{ type: 'conversation', id: 'c-99', user_ids: [1, 3] }, 'there is another conversation of this id'],
        [
          { type: 'group', id: 7, conversation_id: 'g', name: 'x', members: [{ user_id: 1, role: 'owner' }] },
          'there is another group of this id',
        ],
        [{ type: 'receipt', message_id: 41, reader_id: 1 }, /^the reader is the sender/],
        [{ type: 'receipt', message_id: 41, is_group: true, reader_id: 2 }, /^there is no group message of this id/],
        [{ type: 'reaction', message_id: 999, user_id: 1, reaction: 'x' }, /^there is no direct message of this id/],
      ]
      const lines = [...WORLD, ...bad.map(([line]) => line), '', direct(70, 1)]
      const { status, out, err } = await runImport([await fileOf(lines)], env)
      expect(status).toBe(1)
      const told = err.trimEnd().split('\n')
      expect(told).toHaveLength(bad.length)
      for (const [index, [, reason]] of bad.entries()) {
        const text = told[index]?.replace(`line ${WORLD.length + index + 1}: `, '')
        expect(text).toEqual(typeof reason === 'string' ? reason : expect.stringMatching(reason))
      }
      expect(out).toContain(`${bad.length} bad lines were not stored`)
      expect((await dump(env))['messages']).toHaveLength(6)
    })

    test('goes on after kill -9 and after SIGTERM, and ends like one that was never interrupted', async () => {
      // Batches have 2000 lines, and two are under way when progress of the second one is printed.
      const count = 8_500
      const messages = Array.from({ length: count }, (_, n) => direct(1000 + n, 1 + (n % 2)))
      const at = 1_000
      const lines = [
        ...WORLD,
        ...messages.slice(0, at),
        'first',
        ...messages.slice(at, 3 * at),
        'second',
        ...messages.slice(3 * at),
      ]
      const file = await fileOf(lines)
      const whole = await database()
      expect(await runImport([file], whole)).toMatchObject({ status: 1 })

      const env = await database()
      const first = { text: `line ${WORLD.length + at + 1}: not JSON`, signal: 'SIGKILL' } as const
      const killed = startScript('parley import', [file], env, first)
      expect(await killed.ended).toBe('SIGKILL')
      const left = await dump(env)
      expect(left['imports']).toHaveLength(1)
      expect(left['messages']?.length).toBeGreaterThan(at)
      expect(left['messages']?.length).toBeLessThan(count)

      const second = { text: `line ${WORLD.length + 3 * at + 2}: not JSON`, signal: 'SIGTERM' } as const
      const stopped = startScript('parley import', [file], env, second)
      expect(await stopped.ended).toBe(1)
      expect(stopped.err()).toContain('Stopped. Give the same command again to go on.')
      expect(stopped.out()).toContain('An import of this file was interrupted; going on after line')

      const last = await runImport([file], env)
      expect(last).toMatchObject({ status: 1, err: '' })
      expect(last.out).toContain('2 more were told before this import was interrupted')
      // One table counts this run, one and the last line all of them.
      const before = /going on after line (\d+)\./.exec(last.out)?.[1]
      const own = lines.length - Number(before)
      expect(last.out).toMatch(/^this run +stored +changed +there already +bad$/m)
      expect(last.out).toMatch(new RegExp(`^message +${own} +0 +0 +0$`, 'm'))
      const [, total = ''] = last.out.split(/^in total +stored +changed +there already +bad$/m)
      expect(total).toMatch(new RegExp(`^message +${count + 5} +0 +0 +0$`, 'm'))
      expect(total).toMatch(/^user +3 +0 +0 +0$/m)
      expect(total).toMatch(/^unreadable +0 +0 +0 +2$/m)
      expect(last.out).toMatch(new RegExp(`^${own} lines by this run in `, 'm'))
      expect(last.out).toContain(
        `${lines.length} lines in total, ${before} of them by the runs before: ${lines.length - 2} good, 2 bad\n`,
      )
      expect(await dump(env)).toEqual(await dump(whole))
      // It is done: from now on all of it is looked at again.
      const again = await runImport([file], env)
      expect(again.out).toMatch(new RegExp(`^message +0 +0 +${count + 5} +0$`, 'm'))
      expect(again.out).toMatch(/^unreadable +0 +0 +0 +2$/m)
      expect(again.out).not.toContain('in total')
      expect(again.err.match(/not JSON/g)).toHaveLength(2)
    })
  })
}

describe.skipIf(skipServer)('an import into PostgreSQL', () => {
  test('stops when the database goes away, says so, and goes on when it is back', async () => {
    const url = await copyServerDatabase()
    const env = { DATABASE_URL: url }
    const holder = new pg.Client({ connectionString: url })
    holder.on('error', () => undefined)
    await holder.connect()
    try {
      // The first batch of 2000 lines has no reaction, and the second one waits for the lock.
      await holder.query('BEGIN')
      await holder.query('LOCK TABLE reactions IN SHARE MODE')
      const messages = Array.from({ length: 2_500 }, (_, n) => direct(1000 + n, 1 + (n % 2)))
      const [before, reactions] = [WORLD.slice(0, -2), WORLD.slice(-2)]
      const file = await fileOf([...before, 'first', ...messages, ...reactions])
      const script = startScript('parley import', [file], env)
      await expect.poll(() => statementsBehind(holder)).toBe(1)
      const name = databaseName(url)
      await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
      await serverQuery(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
      expect(await script.ended).toBe(1)
      expect(script.err()).toContain('The database does not answer any more. Give the same command again to go on.')
      expect(script.err()).not.toMatch(/\n\s+at /)
      await serverQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      const again = await runImport([file], env)
      expect(again.out).toContain('going on after line 2000.')
      expect((await dump(env))['messages']).toHaveLength(2_505)
    } finally {
      await holder.end()
      await dropServerDatabase(url)
    }
  })
})

describe('options of an import', () => {
  let env: Env
  beforeAll(async () => {
    env = { DATA_DIR: await copyDatabase() }
    await runImport([await fileOf(WORLD)], env)
  })
  afterAll(() => rm(env['DATA_DIR'] ?? '', { recursive: true, force: true }))

  test('--check tells bad lines without a database', async () => {
    const file = await fileOf([...WORLD, { type: 'user', id: 0, name: 'x' }])
    const { status, out, err } = await runImport([file, '--check'], {
      DATABASE_URL: 'postgresql://127.0.0.1:1/none',
    })
    expect({ status, err }).toEqual({ status: 1, err: 'line 15: id is 0, expected an integer of 1 to 2147483647\n' })
    expect(out).toContain('1 bad line was not read')
    expect(out).toMatch(/^ +good +bad\nuser +3 +0\n/)
  })

  test('--update brings users, groups and their members to what the file says', async () => {
    const file = await fileOf([
      { type: 'user', id: 2, name: 'Robert' },
      { type: 'user', id: 4, name: 'Dan' },
      { type: 'group', id: 7, name: 'Climbers', members: [{ user_id: 1, role: 'owner' }, { user_id: 4 }, { user_id: 3 }] },
    ])
    const before = await dump(env)
    expect((await runImport([file], env)).out).toMatch(/^group +0 +0 +1 +0$/m)
    expect((await dump(env))['members']).toEqual(before['members'])
    expect((await runImport([file, '--update'], env)).out).toMatch(/^group +0 +1 +0 +0$/m)
    const { users, groups, members } = await dump(env)
    expect(users).toContainEqual(expect.objectContaining({ id: 2, name: 'Robert' }))
    expect(groups).toEqual([expect.objectContaining({ name: 'Climbers', member_count: 3, announcement: null })])
    expect(members?.filter((member) => (member as { conversation_id: string }).conversation_id === 'group_7')).toMatchObject([
      { user_id: 1, role: 'OWNER' },
      { user_id: 3, role: 'MEMBER' },
      { user_id: 4, role: 'MEMBER' },
    ])
    expect((await runImport([file, '--update'], env)).out).toMatch(/^group +0 +0 +1 +0$/m)
  })

  test('--group-message-offset and --reserve keep ids apart', async () => {
    const file = await fileOf([direct(80, 1), inGroup(80, 1), { type: 'receipt', message_id: 80, is_group: true, reader_id: 3 }])
    const args = [file, '--group-message-offset', '1000', '--reserve', '5000']
    expect(await runImport(args, env)).toMatchObject({ status: 0, err: '' })
    const { messages, receipts } = await dump(env)
    expect(messages).toContainEqual(expect.objectContaining({ id: 80, conversation_id: 'c-99' }))
    expect(messages).toContainEqual(expect.objectContaining({ id: 1080, conversation_id: 'group_7' }))
    expect(receipts).toContainEqual(expect.objectContaining({ message_id: 1080, reader_id: 3 }))
    const app = await startApp(env)
    try {
      const send = 'mutation { sendMessage(input: { receiverId: "2", content: "x" }) { id } }'
      expect((await app.over(ann).data(send)).sendMessage.id).toBe('5001')
    } finally {
      await app.stop()
    }
  })

  test('what is repeated in one file is stored once, and a file may grow', async () => {
    const file = await fileOf([direct(90, 1), direct(90, 1), direct(90, 1, { content: 'other' })])
    const first = await runImport([file], env)
    expect(first).toMatchObject({ status: 1, err: 'line 3: there is another message of this id\n' })
    expect(first.out).toMatch(/^message +1 +0 +1 +1$/m)
    await appendFile(file, toText([direct(91, 2)]))
    expect((await runImport([file], env)).out).toMatch(/^message +1 +0 +2 +1$/m)
  })

  test.each([
    ['no file', [], /^FILE is missing/],
    ['a file that is not there', ['/none.ndjson'], /^\/none\.ndjson: there is no such file/],
    ['a folder', [tmpdir()], /no regular file/],
    ['an option that there is not', ['x', '--fast'], /^--fast: expected one of --check/],
    ['a second file', ['x', 'y'], /^"y": expected nothing more/],
    ['an offset that is none', ['x', '--group-message-offset', '-1'], /^--group-message-offset/],
  ])('%s is refused', async (_, args, reason) => {
    const { status, out, err } = await runImport(args, env)
    expect({ status, out }).toEqual({ status: 1, out: '' })
    expect(err).toMatch(reason)
  })

  test('a database in memory is refused', async () => {
    const { status, err } = await runImport([await fileOf(WORLD)], { DATA_DIR: 'memory:' })
    expect({ status, err }).toMatchObject({ status: 1, err: expect.stringMatching(/^DATA_DIR is memory/) as string })
  })
})
