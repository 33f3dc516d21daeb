import DataLoader from 'dataloader'
import type { Chat } from '../chat/chat.ts'
import type { MemberPageKey, MessagePageKey, Reads, ReactionRecord, ReceiptRecord } from '../chat/reads.ts'

/** Batched, cached reads for one operation (or one shared execution): nothing here depends on who asks. */
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

/** Keys that are objects: those with the same members are the same. */
const byKey = <K extends object, V>(load: (keys: readonly K[]) => Promise<readonly V[]>): DataLoader<K, V, string> =>
  new DataLoader<K, V, string>(load, { cacheKeyFn: (key) => JSON.stringify(key) })

export const createLoaders = ({ reads, presence }: Pick<Chat, 'reads' | 'presence'>) => ({
  user: byMap(reads.users),
  online: new DataLoader<number, boolean>(async (ids) => {
    const online = await presence.online(ids)
    return ids.map((id) => online.has(id))
  }),
  memberPage: byKey<MemberPageKey, Awaited<ReturnType<Reads['memberPages']>>[number]>(reads.memberPages),
  messagePage: byKey<MessagePageKey, Awaited<ReturnType<Reads['messagePages']>>[number]>(reads.messagePages),
  joinRequests: byMap(reads.joinRequests),
  conversation: byMap(reads.conversations),
  message: byMap(reads.messages),
  latestMessage: byMap(reads.latestMessages),
  group: byMap(reads.groups),
  reactions: groupBy<ReactionRecord>(reads.reactions),
  receipts: groupBy<ReceiptRecord>(reads.receipts),
})

export const createViewerLoaders = (reads: Reads, userId: number) => ({
  unread: byMap<string, number>((ids) => reads.unread(userId, ids)),
  role: byMap((ids: readonly number[]) => reads.rolesOf(userId, ids)),
  isMember: new DataLoader<string, boolean>(async (ids) => {
    const member = await reads.memberOf(userId, ids)
    return ids.map((id) => member.has(id))
  }),
})
