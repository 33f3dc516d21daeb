import { NUL_OR_SURROGATE } from '../../limits.ts'
import type { ConversationPosition } from '../../chat/reads.ts'
import type { OperationContext } from '../context.ts'
import { decodeCursor, isId, isTime, pageSize, toPage } from '../pagination.ts'

type PositionKey = readonly [activityAt: number, lastMessageId: number, id: string]

const isPositionKey = (key: unknown): key is PositionKey =>
  Array.isArray(key) &&
  key.length === 3 &&
  isTime(key[0]) &&
  // 0 where there is no message yet.
  (key[1] === 0 || isId(key[1])) &&
  typeof key[2] === 'string' &&
  !NUL_OR_SURROGATE.test(key[2])

const toPosition = (key: PositionKey | undefined): ConversationPosition | undefined =>
  key && { activityAt: key[0], lastMessageId: key[1], id: key[2] }

/** A page of a user's conversations by latest activity. */
export async function conversationPage(
  context: OperationContext,
  userId: number,
  first: number | null | undefined,
  after: string | null | undefined,
) {
  const { chat, viewer, viewerLoad } = context
  const size = pageSize(first, 20)
  const position = toPosition(decodeCursor('conversation', after, isPositionKey))
  const rows = await chat.reads.conversationPage(userId, position, size + 1)
  await context.turn(rows.length)
  if (userId === viewer.userId) for (const { id, horizon } of rows) viewerLoad.horizon.prime(id, horizon)
  return toPage(
    'conversation',
    rows,
    size,
    after,
    ({ activityAt, lastMessageId, id }) => [activityAt, lastMessageId, id],
    (row) => row,
  )
}
