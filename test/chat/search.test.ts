import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SearchIndex } from '../../src/chat/search-index.ts'
import { createSearch, type SearchInput } from '../../src/chat/search.ts'
import type { SendInput } from '../../src/chat/messages.ts'
import type { LogEntry } from '../../src/store/event-log.ts'
import type { MessageRecord } from '../../src/store/message-rows.ts'
import type { Store } from '../../src/store/store.ts'
import { codeOf, createTestChat, type TestChat } from '../support/chat.ts'
import { describeOwnEngines } from '../support/database.ts'

const ANYTHING: SearchInput = {
  text: undefined,
  conversationId: undefined,
  senderId: undefined,
  hasMedia: undefined,
  mentionsMe: false,
  sentAfter: undefined,
  sentBefore: undefined,
}

const messageWith = (id: number, content: string): MessageRecord => ({
  id,
  conversationId: 'direct_1_2',
  isGroup: false,
  groupId: null,
  senderId: 1,
  senderName: 'Ann',
  senderAvatar: null,
  content,
  messageType: 'text',
  mediaUrl: null,
  at: 0,
})

/** Counts the turns of the event loop that others have while something is done. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let isDone = false
  const count = (): void => {
    if (isDone) return
    turns++
    setImmediate(count)
  }
  count()
  await work()
  isDone = true
  return turns
}

describe('others have their turn', () => {
  const LONG = 'abcdefghé '.repeat(500)
  const messages = Array.from({ length: 100 }, (_, index) => messageWith(index + 1, LONG))

  test('while long messages are put into the index, in statements of some size', async () => {
    const sizes: number[] = []
    const add = (some: readonly { tokens: readonly number[] }[]): Promise<void> => {
      sizes.push(some.reduce((sum, { tokens }) => sum + tokens.length, 0))
      return Promise.resolve()
    }
    const different = messages.map(({ id }) =>
      messageWith(id, Array.from({ length: 2500 }, (_, index) => String.fromCodePoint(0x4e00 + index)).join('')),
    )
    const index = new SearchIndex({ search: { add } } as unknown as Store, (error) => expect(error).toBeUndefined())
    index.committed(different.map((message) => ({ event: { kind: 'message_sent', payload: message } }) as LogEntry))
    expect(await turnsDuring(() => index.flush())).toBeGreaterThan(10)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000)
  })

  test('one statement at a time is sent, however many wait for the index meanwhile', async () => {
    const running: (() => void)[] = []
    const added: number[] = []
    const add = (some: readonly { messageId: number }[]): Promise<void> => {
      added.push(...some.map(({ messageId }) => messageId))
      return new Promise((resolve) => running.push(resolve))
    }
    const index = new SearchIndex({ search: { add } } as unknown as Store, (error) => expect(error).toBeUndefined())
    const committed = (id: number): void =>
      index.committed([{ event: { kind: 'message_sent', payload: messageWith(id, 'x') } } as LogEntry])
    committed(1)
    const flushes = [index.flush()]
    await expect.poll(() => running.length).toBe(1)
    for (const id of [2, 3]) {
      committed(id)
      flushes.push(index.flush(), index.flush())
    }
    running[0]?.()
    await expect.poll(() => running.length).toBe(2)
    committed(4)
    flushes.push(index.flush())
    await turnsDuring(() => new Promise((resolve) => setTimeout(resolve, 1)))
    expect(added).toEqual([1, 2, 3])
    running[1]?.()
    await expect.poll(() => running.length).toBe(3)
    running[2]?.()
    await Promise.all(flushes)
    expect(added).toEqual([1, 2, 3, 4])
  })

  test('while contents are looked through, of which a search sees so many', async () => {
    let count = 0
    const find = ({ from, before, limit }: { from: number; before: number; limit: number }) => {
      const hits = messages.filter(({ id }) => id >= from && id < before).reverse()
      count += Math.min(limit, hits.length)
      return Promise.resolve(hits.slice(0, limit).map((message) => ({ messageId: message.id, message })))
    }
    const store = {
      conversations: { idsOf: () => Promise.resolve(['direct_1_2']) },
      search: { lastId: () => Promise.resolve(messages.length), find },
    } as unknown as Store
    const input = { ...ANYTHING, text: 'abcdefghx' }
    const look = async (): Promise<void> => expect(await createSearch(store).messages(1, input, undefined, 100)).toEqual([])
    expect(await turnsDuring(look)).toBeGreaterThan(50)
    expect(count).toBe(100)
    messages.push(...Array.from({ length: 900 }, (_, index) => messageWith(index + 101, LONG)))
    count = 0
    await look()
    expect(count).toBe(400)
  })
})

describeOwnEngines((on) => {
  let node: TestChat
  let index: SearchIndex
  const errors: unknown[] = []
  beforeEach(() => {
    node = createTestChat(on().store)
    index = new SearchIndex(on().store, (error) => errors.push(error))
    node.commits.onCommit((entries) => index.committed(entries))
  })
  afterEach(async () => {
    await node.close()
    if (errors.length > 0) throw errors[0]
  })

  const search = async (userId: number, input: Partial<SearchInput>, before?: number, limit = 20): Promise<string[]> => {
    await index.flush()
    const found = await node.chat.reads.searchMessages(userId, { ...ANYTHING, ...input }, before, limit)
    return found.map(({ content }) => content)
  }
  const say = async (
    from: number,
    to: { receiverId: number } | { conversationId: string },
    ...contents: string[]
  ): Promise<void> => {
    for (const content of contents) await node.send(from, to, { content })
  }

  test('messages that have all the words are found, newest first, in the user’s conversations only', async () => {
    const [a = 0, b = 0, c = 0] = await node.users(3)
    await say(a, { receiverId: b }, 'Lunch on Friday?', 'lunch was great', 'Friday again')
    await say(b, { receiverId: c }, 'lunch with c on friday')
    expect(await search(a, { text: 'LUNCH' })).toEqual(['lunch was great', 'Lunch on Friday?'])
    expect(await search(a, { text: 'fri lun' })).toEqual(['Lunch on Friday?'])
    expect(await search(b, { text: 'lunch friday' })).toEqual(['lunch with c on friday', 'Lunch on Friday?'])
    expect(await search(c, { text: 'great' })).toEqual([])
    const [stranger = 0] = await node.users(1)
    expect(await search(stranger, { text: 'lunch' })).toEqual([])
  })

  test('pages go on after the last message, without holes and repeats', async () => {
    const [a = 0, b = 0] = await node.users(2)
    const contents = Array.from({ length: 25 }, (_, number) => `apple ${number}`)
    await say(a, { receiverId: b }, ...contents)
    await index.flush()
    const seen: string[] = []
    for (let before: number | undefined; ;) {
      const page = await node.chat.reads.searchMessages(b, { ...ANYTHING, text: 'apple' }, before, 10)
      seen.push(...page.map(({ content }) => content))
      before = page.at(-1)?.id
      if (page.length < 10) break
    }
    expect(seen).toEqual(contents.toReversed())
  })

  test('each filter, alone and together', async () => {
    const [a = 0, b = 0] = await node.users(2)
    const groupId = await node.group(a, [b])
    const to = { conversationId: `group_${groupId}` }
    const mediaUrl = 'https://example.org/cat.jpg'
    const first = await node.send(a, to, { content: 'plain words' })
    await node.send(b, to, { content: 'a picture', mediaUrl })
    await node.send(a, to, { content: 'for you', mentionIds: [b] } as Partial<SendInput>)
    await node.send(a, to, { content: 'for all', mentionAll: true })
    await say(a, { receiverId: b }, 'words elsewhere')
    const inGroup = { conversationId: to.conversationId }
    expect(await search(b, inGroup)).toEqual(['for all', 'for you', 'a picture', 'plain words'])
    expect(await search(b, { ...inGroup, text: 'words' })).toEqual(['plain words'])
    expect(await search(b, { ...inGroup, senderId: b })).toEqual(['a picture'])
    expect(await search(b, { ...inGroup, hasMedia: true })).toEqual(['a picture'])
    expect(await search(b, { ...inGroup, hasMedia: false })).toEqual(['for all', 'for you', 'plain words'])
    expect(await search(b, { mentionsMe: true })).toEqual(['for all', 'for you'])
    expect(await search(a, { mentionsMe: true })).toEqual(['for all'])
    expect(await search(b, { ...inGroup, sentAfter: new Date(first.at), sentBefore: new Date(first.at + 1) })).toContain(
      'plain words',
    )
    expect(await search(b, { ...inGroup, sentBefore: new Date(first.at) })).toEqual([])
    expect(await search(b, { ...inGroup, sentAfter: new Date(first.at + 3_600_000) })).toEqual([])
    expect(await search(b, { ...inGroup, sentAfter: new Date('2020-02-03T04:05:06Z'), text: 'plain' })).toEqual(['plain words'])
  })

  test('what can’t be looked for is refused', async () => {
    const [a = 0, b = 0] = await node.users(2)
    const { conversationId } = await node.send(a, { receiverId: b })
    const [stranger = 0] = await node.users(1)
    const code = (userId: number, input: Partial<SearchInput>) => codeOf(search(userId, input))
    expect(await code(a, {})).toBe('BAD_USER_INPUT')
    expect(await code(a, { text: '?!' })).toBe('BAD_USER_INPUT')
    expect(await code(a, { text: 'x'.repeat(201) })).toBe('BAD_USER_INPUT')
    expect(await code(a, { text: 'a b c d e f g h i j k' })).toBe('BAD_USER_INPUT')
    expect(await code(stranger, { text: 'hi', conversationId })).toBe('NOT_FOUND')
    expect(await code(a, { text: 'hi', conversationId: 'none' })).toBe('NOT_FOUND')
  })

  test('a user who left finds nothing of the group; one who joined finds what they may see', async () => {
    const [a = 0, b = 0, c = 0] = await node.users(3)
    const groupId = await node.group(a, [b])
    await say(a, { conversationId: `group_${groupId}` }, 'before the change')
    await node.chat.groups.leave(b, groupId)
    await node.chat.groups.join(c, groupId)
    expect(await search(b, { text: 'change' })).toEqual([])
    expect(await search(c, { text: 'change' })).toEqual(['before the change'])
  })

  test('what a crash kept out of the index is found in the database, once it is a minute old', async () => {
    const [a = 0, b = 0] = await node.users(2)
    const lost = await on().store.messages.sendBatch([
      {
        senderId: a,
        receiverId: b,
        conversationId: null,
        content: 'lost by a crash',
        messageType: 'text',
        mediaUrl: null,
        key: null,
      },
    ])
    const [outcome] = lost
    if (outcome?.status !== 'sent') throw new Error('not sent')
    expect(await search(a, { text: 'crash' })).toEqual([])
    await index.catchUp(() => false)
    expect(await search(a, { text: 'crash' })).toEqual([])
    await on().query(`UPDATE messages SET created_at = created_at - interval '2 minutes' WHERE id <= ${outcome.message.id}`)
    await on().store.search.indexFrom(1)
    await index.catchUp(() => false)
    expect(await search(a, { text: 'crash' })).toEqual(['lost by a crash'])
  })

  describe('a message that changes', () => {
    test('is found by what it says now, and not at all once it is deleted', async () => {
      const [a = 0, b = 0] = await node.users(2)
      const { id } = await node.send(a, { receiverId: b }, { content: 'old words' })
      // Before the sent message is indexed: that must not restore the deleted content.
      await node.chat.edits.edit(a, { messageId: id, content: 'new text' })
      expect(await search(a, { text: 'words' })).toEqual([])
      expect(await search(a, { text: 'new' })).toEqual(['new text'])
      await node.chat.deletions.delete({ userId: a, isAdmin: false }, id)
      expect(await search(a, { text: 'new' })).toEqual([])
    })
  })
})
