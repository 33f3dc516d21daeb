import { NUL_OR_SURROGATE } from '../../limits.ts'
import type { ConversationFilter, ConversationPosition } from '../../chat/reads.ts'
import type { OperationContext } from '../context.ts'
import { decodeCursor, isId, isTime, pageSize, toPage } from '../pagination.ts'

type PositionKey = readonly [pinned: 0 | 1, activityAt: number, lastMessageId: number, id: string, asOf: number]

const isPositionKey = (key: unknown): key is PositionKey =>
  Array.isArray(key) &&
  key.length === 5 &&
  (key[0] === 0 || key[0] === 1) &&
  isTime(key[1]) &&
  // 0 if there is no message yet.
  (key[2] === 0 || isId(key[2])) &&
  typeof key[3] === 'string' &&
  !NUL_OR_SURROGATE.test(key[3]) &&
  (key[4] === 0 || isId(key[4]))

const toPosition = (key: PositionKey | undefined): ConversationPosition | undefined =>
  key && { pinned: key[0] === 1, activityAt: key[1], lastMessageId: key[2], id: key[3], asOf: key[4] }

/** A page of a user's conversations, in the order of the store's `page`. */
export async function conversationPage(
  context: OperationContext,
  { userId, filter }: { userId: number; filter?: ConversationFilter },
  first: number | null | undefined,
  after: string | null | undefined,
) {
  const { answer, chat, viewer, viewerLoad } = context
  const size = pageSize(first, 20)
  const position = toPosition(decodeCursor('conversation', after, isPositionKey))
  const rows = await answer.read(
    'conversations',
    () => chat.scan(viewer, () => chat.reads.conversationPage(userId, position, size + 1, filter)),
    (page) => page.length,
  )
  await context.turn(rows.length)
  if (userId === viewer.userId) for (const { id, horizon } of rows) viewerLoad.horizon.prime(id, horizon)
  return toPage(
    'conversation',
    rows,
    size,
    after,
    ({ pinned, activityAt, lastMessageId, id, asOf }) => [pinned ? 1 : 0, activityAt, lastMessageId, id, asOf],
    (row) => row,
  )
}
