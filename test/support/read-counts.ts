import { expect } from 'vitest'
import type { TestStore } from './database.ts'

/** The members, and senders, whose counter differs from a count of the rows. */
const MISCOUNTED = (conversationId: string) => `
  SELECT m.user_id FROM members m JOIN conversations c ON c.id = m.conversation_id
  CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE s.sender_id = c.user_low) AS low,
      count(*) FILTER (WHERE s.sender_id = m.user_id) AS own, count(*) FILTER (WHERE s.sender_id <> m.user_id AND s.id <= m.read_to) AS read
    FROM messages s WHERE s.conversation_id = c.id
  ) s
  CROSS JOIN LATERAL (
    SELECT count(*) AS beyond FROM receipts r
    WHERE r.reader_id = m.user_id AND r.conversation_id = c.id AND r.message_id > m.read_to AND NOT r.marked_unread
  ) r
  WHERE c.id = '${conversationId}' AND ((c.message_count, m.read_count, m.read_beyond) IS DISTINCT FROM (s.total, s.read, r.beyond)
    OR CASE WHEN c.is_group THEN m.sent_count <> s.own ELSE c.low_count <> s.low END OR m.marked_to > m.read_to)
  UNION ALL SELECT sender_id FROM (
    SELECT sender_id, seq, sender_seq, row_number() OVER (ORDER BY id) AS n, row_number() OVER (PARTITION BY sender_id ORDER BY id) AS sn
    FROM messages WHERE conversation_id = '${conversationId}'
  ) n WHERE (seq, sender_seq) <> (n, sn)`

export const expectCounted = async (store: Pick<TestStore, 'query'>, conversationId: string): Promise<void> =>
  expect(await store.query(MISCOUNTED(conversationId))).toEqual([])
