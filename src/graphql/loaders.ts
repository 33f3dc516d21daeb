import DataLoader from 'dataloader'
import type { Chat } from '../chat/chat.ts'
import { lazily } from '../lib/lazily.ts'
import type { Answer } from './answer.ts'
import type {
  ConversationSettings,
  MemberPageKey,
  MessagePageKey,
  MessageRecord,
  Reads,
  ReactionRecord,
  ReadState,
  ReceiptRecord,
  ReplyPageKey,
} from '../chat/reads.ts'

/** Batched, cached reads for one operation (or one shared execution): nothing here depends on the viewer. */
export type Loaders = ReturnType<typeof createLoaders>
/** Batched reads of what only the viewer sees. */
export type ViewerLoaders = ReturnType<typeof createViewerLoaders>

const byMap = <K, V>(load: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>): DataLoader<K, V | undefined> =>
  new DataLoader(async (keys) => {
    const values = await load(keys)
    return keys.map((key) => values.get(key))
  })

const groupBy = <V extends { messageId: number }>(
  load: (ids: readonly number[]) => Promise<readonly V[]>,
): DataLoader<number, V[]> =>
  new DataLoader(async (ids) => {
    const groups = new Map<number, V[]>(ids.map((id) => [id, []]))
    for (const value of await load(ids)) groups.get(value.messageId)?.push(value)
    return ids.map((id) => groups.get(id) as V[])
  })

/** For keys that are objects: equal members make equal keys. */
const byKey = <K extends object, V>(load: (keys: readonly K[]) => Promise<readonly V[]>): DataLoader<K, V, string> =>
  new DataLoader<K, V, string>(load, { cacheKeyFn: (key) => JSON.stringify(key) })

/** How many rows with contents one statement reads. */
const ROWS = 1000

/** Loads the keys in parts, each of about this many rows, as long as the answer has room. */
const inParts =
  <K, V>(
    { answer, what, rowsOf, sizeOf }: { answer: Answer; what: string; rowsOf: (key: K) => number; sizeOf: (value: V) => number },
    load: (keys: readonly K[]) => Promise<readonly V[]>,
  ) =>
  async (keys: readonly K[]): Promise<V[]> => {
    const values: V[] = []
    const readPart = async (part: readonly K[]): Promise<void> => {
      const size = (loaded: readonly V[]): number => loaded.reduce((sum, value) => sum + sizeOf(value), 0)
      values.push(...(await answer.read(what, () => load(part), size)))
    }
    let part: K[] = []
    let rows = 0
    for (const key of keys) {
      if (part.length > 0 && rows + rowsOf(key) > ROWS) {
        await readPart(part)
        part = []
        rows = 0
      }
      part.push(key)
      rows += rowsOf(key)
    }
    await readPart(part)
    return values
  }

const inOrder =
  <K, V>(load: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>) =>
  async (keys: readonly K[]): Promise<(V | undefined)[]> => {
    const values = await load(keys)
    return keys.map((key) => values.get(key))
  }

const bytesOf = (message: MessageRecord | undefined): number => (message ? message.content.length + 200 : 0)

/** Pages of messages, for `inParts`. */
const pages = (answer: Answer, what: string) => ({
  answer,
  what,
  rowsOf: ({ limit }: { limit: number }) => limit,
  sizeOf: (page: readonly MessageRecord[]) => page.reduce((sum, row) => sum + bytesOf(row), 0),
})

/** A list that is cut where the answer has no more room. */
const upTo =
  <K, V>(
    { answer, what, lengthOf }: { answer: Answer; what: string; lengthOf: (value: V) => number },
    load: (keys: readonly K[], limit: number) => Promise<readonly V[]>,
  ) =>
  async (keys: readonly K[]): Promise<readonly V[]> => {
    const values = await load(keys, answer.maxItems)
    answer.checkItems(
      values.reduce((sum, value) => sum + lengthOf(value), 0),
      what,
    )
    return values
  }

export const createLoaders = lazily<Pick<Chat, 'reads' | 'presence'> & { answer: Answer }>()({
  user: ({ reads }) => byMap(reads.users),
  account: ({ reads }) => byMap(reads.accounts),
  mute: ({ reads }) => byKey(reads.mutes),
  online: ({ presence }) =>
    new DataLoader<number, boolean>(async (ids) => {
      const online = await presence.online(ids)
      return ids.map((id) => online.has(id))
    }),
  memberPage: ({ reads }) => byKey<MemberPageKey, Awaited<ReturnType<Reads['memberPages']>>[number]>(reads.memberPages),
  messagePage: ({ reads, answer }) =>
    byKey<MessagePageKey, Awaited<ReturnType<Reads['messagePages']>>[number]>(
      inParts(pages(answer, 'messages'), reads.messagePages),
    ),
  replyPage: ({ reads, answer }) => byKey<ReplyPageKey, MessageRecord[]>(inParts(pages(answer, 'replies'), reads.replyPages)),
  joinRequests: ({ reads, answer }) =>
    byMap(async (groupIds: readonly number[]) => {
      const requests = await reads.joinRequests(groupIds, answer.maxItems)
      answer.checkItems(
        [...requests.values()].reduce((sum, ids) => sum + ids.length, 0),
        'joinRequests',
      )
      return requests
    }),
  conversation: ({ reads }) => byMap(reads.conversations),
  message: ({ reads, answer }) =>
    new DataLoader(
      inParts({ answer, what: 'message', rowsOf: () => 1, sizeOf: bytesOf }, inOrder<number, MessageRecord>(reads.messages)),
    ),
  latestMessage: ({ reads, answer }) =>
    new DataLoader(
      inParts(
        { answer, what: 'lastMessage', rowsOf: () => 1, sizeOf: bytesOf },
        inOrder<string, MessageRecord>(reads.latestMessages),
      ),
    ),
  group: ({ reads }) => byMap(reads.groups),
  reactions: ({ reads, answer }) =>
    groupBy<ReactionRecord>(upTo({ answer, what: 'reactions', lengthOf: ({ userIds }) => userIds.length }, reads.reactions)),
  receipts: ({ reads, answer }) => groupBy<ReceiptRecord>(upTo({ answer, what: 'readBy', lengthOf: () => 1 }, reads.receipts)),
})

export const createViewerLoaders = lazily<{ reads: Reads; userId: number }>()({
  settings: ({ reads, userId }) => byMap<string, ConversationSettings>((ids) => reads.conversationSettings(userId, ids)),
  readState: ({ reads, userId }) => byMap<string, ReadState>((ids) => reads.readStates(userId, ids, { mentions: false })),
  mentions: ({ reads, userId }) => byMap<string, ReadState>((ids) => reads.readStates(userId, ids)),
  /** Whether there is a block between the viewer and another user. */
  isBlocked: ({ reads, userId }) =>
    new DataLoader<number, boolean>(async (ids) => {
      const blocked = await reads.blockedPairs(userId, ids)
      return ids.map((id) => blocked.has(id))
    }),
  role: ({ reads, userId }) => byMap((ids: readonly number[]) => reads.rolesOf(userId, ids)),
  horizon: ({ reads, userId }) => byMap<string, number>((ids) => reads.memberOf(userId, ids)),
})
