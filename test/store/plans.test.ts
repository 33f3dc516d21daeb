import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { appendEvents, lockTopics } from '../../src/store/event-log.ts'
import type { Store } from '../../src/store/store.ts'
import { describeServer } from '../support/database.ts'

const SKEWED = new URL('../../bench/support/skewed.sql', import.meta.url)
/** Messages in each large group, far more than any read may look at. */
const SCALE = 5000
/** Rows that one read may look at in one table. */
const ROWS_LIMIT = 400

const [LARGE, QUIET, EMPTY] = [
  [1, 2, 3],
  [6, 15, 25],
  [26, 35],
].map((ids) => ids.map((id) => `group_${id}`)) as [string[], string[], string[]]
const ALL = [...LARGE, ...QUIET, ...EMPTY]

const RANGES = [1, 2, 7, 30].map((id) => ({ topic: `group:${id}`, after: 0, until: 1_000_000 }))

/** The last message of the large group, and one in the middle of it. */
const lastOf = async ({ messages }: Store): Promise<number> => (await messages.page('group_1', undefined, 1))[0]?.id ?? 0
const MIDDLE = SCALE * 2 + 1

class RolledBack extends Error {}

/** Takes a transaction back after this. */
async function throwAfter(change: Promise<unknown>): Promise<never> {
  await change
  throw new RolledBack()
}

/** Resolves when a transaction was taken back by `throwAfter`. */
const rolledBack = (transaction: Promise<unknown>): Promise<unknown> =>
  transaction.catch((error: unknown) => {
    if (!(error instanceof RolledBack)) throw error
  })

/** Reads, or marks unread, a message of the large group, which is then taken back. */
const marking =
  (userId: number, messageId: number | 'last', how: 'countRead' | 'moveTo' | 'moveBefore') =>
  async (store: Store): Promise<unknown> => {
    const id = messageId === 'last' ? await lastOf(store) : messageId
    return await rolledBack(
      store.transaction(async (tx) => {
        const position = await tx.readPointers.lock(userId, 'group_1', id)
        if (!position) throw new Error('no such message')
        return await throwAfter(tx.readPointers[how](userId, 'group_1', position))
      }),
    )
  }

/** The reads that clients wait for, and what they do most. */
const READS: Record<string, (store: Store) => Promise<unknown>> = {
  'the inbox': ({ conversations }) => conversations.page(1, undefined, 20),
  'a later page of the inbox': ({ conversations }) =>
    conversations.page(1, { pinned: false, activityAt: Date.parse('2026-01-02'), lastMessageId: 40, id: 'group_9', asOf: 0 }, 20),
  ...Object.fromEntries(
    (['ALL', 'UNREAD', 'ARCHIVED', 'MENTIONED'] as const).map((filter) => [
      `the inbox, ${filter}`,
      ({ conversations }: Store) => conversations.page(1, undefined, 20, filter),
    ]),
  ),
  'what one has read of each conversation': ({ readPointers }) => readPointers.states(1, ALL),
  'what one has read who has read nothing': ({ readPointers }) => readPointers.states(2, ALL),
  'settings of conversations': ({ conversationSettings }) => conversationSettings.byIds(1, ALL),
  'history behind a horizon near the end': async (store) =>
    store.messages.pages([{ conversationId: 'group_1', before: undefined, horizon: (await lastOf(store)) - 3, limit: 50 }]),
  'the receipts of what is new': async (store) => store.receipts.unreadUpTo(1, 'group_1', await lastOf(store), 1000),
  'marking read what is new': marking(1, 'last', 'moveTo'),
  'marking all read by one who never wrote': marking(2, 'last', 'moveTo'),
  'marking all read by one who writes': marking(4996, 'last', 'moveTo'),
  'marking read in the middle by one who never wrote': marking(2, MIDDLE, 'moveTo'),
  'reading the newest message': marking(1, 'last', 'countRead'),
  'reading one message in the middle': marking(2, MIDDLE, 'countRead'),
  'marking the newest message unread': marking(1, 'last', 'moveBefore'),
  'the latest messages': ({ messages }) => messages.latest(ALL),
  'messages by id': ({ messages }) => messages.byIds([1, 40, 70, 20_000]),
  'history of several conversations': ({ messages }) =>
    messages.pages(ALL.map((conversationId) => ({ conversationId, before: undefined, limit: 20 }))),
  'older history of several conversations': ({ messages }) =>
    messages.pages(ALL.map((conversationId) => ({ conversationId, before: 5000, limit: 20 }))),
  ...Object.fromEntries(
    [LARGE, QUIET, EMPTY].flatMap(([id = '']) => [
      [`history of ${id}`, ({ messages }: Store) => messages.page(id, undefined, 50)],
      [`older history of ${id}`, ({ messages }: Store) => messages.page(id, 5000, 50)],
      [`unread messages of ${id}`, ({ receipts }: Store) => receipts.unreadUpTo(2, id, 1_000_000, 100)],
    ]),
  ),
  'members of several conversations': ({ conversations }) =>
    conversations.memberPages(ALL.map((conversationId) => ({ conversationId, after: 10, limit: 20 }))),
  'members of a conversation': ({ conversations }) => conversations.members('group_7', 0, 20),
  'members of a group': ({ groups }) => groups.members(7, 0, 20),
  'a user in conversations': ({ conversations }) => conversations.memberOf(2, ALL),
  conversations: ({ conversations }) => conversations.byIds(ALL),
  'a direct conversation': ({ conversations }) => conversations.byPair(12, 11),
  'what a user listens to': ({ conversations }) => conversations.memberships([1, 2, 500]),
  'contacts of users': ({ conversations }) =>
    conversations.contactPages([1, 2, 500].map((userId) => ({ userId, after: '', limit: 500 }))),
  groups: ({ groups }) => groups.byIds([1, 7, 30]),
  roles: ({ groups }) => groups.roles(1, [1, 2, 3]),
  "a user's roles": ({ groups }) => groups.rolesOf(1, [1, 7, 30]),
  'whom a user has blocked': ({ blocks }) => blocks.page(1, undefined, 20),
  'blocks between users': ({ blocks }) => blocks.pairedWith(1, [2, 3, 500]),
  'whether users see each other’s presence': ({ conversations }) => conversations.sharePresence(1, 2, 1000),
  'profiles to tell of': ({ users }) => users.dueAnnouncements(100),
  users: ({ users }) => users.byIds([1, 2, 3]),
  'the join requests': ({ groups }) => groups.joinRequests([1, 7]),
  receipts: ({ receipts }) => receipts.byMessageIds([1, 40, 70, 20_000]),
  'a receipt': ({ receipts }) => receipts.find(70, 1),
  reactions: ({ reactions }) => reactions.byMessageIds([5, 40, 70, 20_000]),
  'who reacted': ({ reactions }) => reactions.users(40, '👍'),
  'no notifications': ({ notifications }) => notifications.page(2, undefined, 50),
  'few notifications': ({ notifications }) => notifications.page(1, undefined, 50),
  'many notifications': ({ notifications }) => notifications.page(3, undefined, 50),
  'heads of topics': ({ log }) => log.heads(['user:1', 'group:1', 'group:30']),
  'events of a topic': ({ log }) => log.read({ topic: 'group:1', after: 100, until: 4000 }, 100),
  'the newest events': ({ log }) => log.newest(RANGES, 50),
  'the oldest events': ({ log }) => log.oldest(RANGES, 50),
  'where a resume goes on': ({ log }) => log.positionsAfter(20_000, ['user:1', 'group:1', 'group:7', 'group:30']),
}

const content = { content: 'c', messageType: 'text', mediaUrl: null, key: null }

/** Words of the large group, and a search without further filters. */
const WORDS = `INSERT INTO message_search SELECT id, '{1,2}' FROM messages WHERE conversation_id = 'group_1'; ANALYZE message_search`
const ANY = { senderId: undefined, hasMedia: undefined, mentionsMe: false, sentAfter: undefined, sentBefore: undefined }

/** Sends of one batch to as many conversations, of which what runs first is committed, the search of one, and what completes the index. */
const STATEMENTS: Record<string, (store: Store) => Promise<unknown>> = {
  'direct messages of many pairs': ({ messages }) =>
    messages.sendBatch(
      Array.from({ length: 100 }, (_, i) => ({ senderId: 11 + 3 * i, receiverId: 12 + 3 * i, conversationId: null, ...content })),
    ),
  'messages to several groups': ({ messages }) =>
    messages.sendBatch(ALL.map((conversationId) => ({ senderId: 1, receiverId: null, conversationId, ...content }))),
  'replies in a large group': async (store) => {
    const replyToId = await lastOf(store)
    await store.messages.sendBatch([{ senderId: 1, receiverId: null, conversationId: 'group_1', ...content, replyToId }])
  },
  'the deletion of a reply': async (store) => {
    const replyToId = await lastOf(store)
    const reply = { senderId: 1, receiverId: null, conversationId: 'group_1', ...content, replyToId }
    const [outcome] = await store.messages.sendBatch([reply])
    if (outcome?.status !== 'sent') throw new Error('the reply was not sent')
    const { message } = outcome
    await rolledBack(store.transaction(async (tx) => throwAfter(tx.messages.delete([message.id], 1))))
  },
  'a search for a common word': async (store) => {
    const before = (await lastOf(store)) + 1
    const words = { all: [1], oneOfEach: [[2]], from: before - ROWS_LIMIT / 2, before, limit: 42 }
    await store.search.find({ ...words, ...ANY, userId: 1, conversationId: 'group_1' })
  },
  'which messages the index lacks': ({ search }) => search.nextUnindexed(100),
}

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: Plan[]
}

/** Each scan of a table, with the rows that it looked at. */
function* scansOf(plan: Plan): Generator<{ scan: string; rows: number }> {
  const { 'Relation Name': table, 'Index Name': index, 'Node Type': type } = plan
  const found = table ?? index
  if (found !== undefined) {
    const each = plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0) + (plan['Rows Removed by Index Recheck'] ?? 0)
    const condition = plan['Index Cond']
    yield {
      scan: `${type} on ${found}${table !== undefined && index !== undefined ? ` by ${index}` : ''}: ${condition ?? 'no key'}`,
      rows: each * plan['Actual Loops'],
    }
  }
  for (const child of plan.Plans ?? []) yield* scansOf(child)
}

describeServer((on) => {
  const client = (): pg.Client => new pg.Client({ connectionString: on().url })

  beforeAll(async () => {
    const connection = client()
    await connection.connect()
    await connection.query(`SET parley.scale = ${SCALE}`)
    await connection.query(await readFile(SKEWED, 'utf8'))
    await connection.query(WORDS)
    await connection.end()
  })

  /** The statements that a call runs, each with its values, by any connection. */
  async function statementsOf(call: () => Promise<unknown>): Promise<{ text: string; values: unknown[] }[]> {
    const query = vi.spyOn(pg.Client.prototype, 'query')
    try {
      await call()
      return query.mock.calls.flatMap(([first, second]: unknown[]) => {
        const { text, values } = (typeof first === 'string' ? { text: first, values: second } : first) as {
          text: string
          values?: unknown
        }
        return /^\s*(SELECT|WITH|UPDATE|\/\*)/.test(text) ? [{ text, values: Array.isArray(values) ? values : [] }] : []
      })
    } finally {
      query.mockRestore()
    }
  }

  /** The scans of a call's statements that look at too many rows, after these settings of the planner. */
  async function longScansOf(call: (store: Store) => Promise<unknown>, settings = ''): Promise<unknown[]> {
    const statements = await statementsOf(() => call(on().store))
    expect(statements.length).toBeGreaterThan(0)
    const connection = client()
    await connection.connect()
    try {
      const found: unknown[] = []
      for (const { text, values } of statements) {
        // It runs, and what it changes is taken back.
        await connection.query(`BEGIN; ${settings}`)
        const { rows } = await connection.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
          `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
          values,
        )
        await connection.query('ROLLBACK')
        const plan = rows[0]?.['QUERY PLAN'][0]?.Plan as Plan
        found.push(...[...scansOf(plan)].filter((scan) => scan.rows > ROWS_LIMIT))
      }
      return found
    } finally {
      await connection.end()
    }
  }

  describe('on a database of a few large, many small and empty conversations', () => {
    test.each(Object.entries(READS))('%s: every scan is by key', async (_, read) => {
      expect(await longScansOf(read)).toEqual([])
    })
  })

  describe('where tables look cheaper to read as a whole than by key, as those of some thousand rows do', () => {
    test.each(Object.entries(STATEMENTS))('%s: every scan is by key', async (_, call) => {
      expect(await longScansOf(call, 'SET LOCAL random_page_cost = 20')).toEqual([])
    })
  })

  test('logging an event finds its topic by key, where reading all topics looks cheaper', async () => {
    const { prisma } = on().database
    const payload = { groupId: 1 }
    const append = (): Promise<unknown> =>
      rolledBack(
        prisma.$transaction(async (tx) => {
          const heads = await lockTopics(tx, ['group:1'])
          return await throwAfter(appendEvents(tx, heads, [{ topics: ['group:1'], kind: 'group_updated', payload }]))
        }),
      )
    expect(await longScansOf(append, 'SET LOCAL random_page_cost = 20')).toEqual([])
  })

  test('plans are not compiled, which takes longer than to run them', async () => {
    expect(await on().query('SHOW jit')).toEqual([{ jit: 'off' }])
  })
})
