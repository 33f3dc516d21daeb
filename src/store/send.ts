import { isUniqueViolation, translateErrors } from './database/errors.ts'
import { recordset, type Db } from './database/sql.ts'
import { lockTopics, type LogEntry } from './event-log.ts'
import type { Prisma as Sql, PrismaClient } from './generated/client.ts'
import { messageColumns, messageJoins, messageOf, type MessageRecord, type MessageRow } from './message-rows.ts'
import { sendMessages, type SendInput, type SendRefusal, type SendRow } from './sql/send-messages.ts'
import type { TraceParent } from '../telemetry/tracing.ts'

/** A message to store: direct where `receiverId` is given, else to the group of `conversationId`. */
export interface NewMessage {
  senderId: number
  receiverId: number | null
  conversationId: string | null
  content: string
  messageType: string
  mediaUrl: string | null
  /** The sender's idempotency key. */
  key: string | null
  replyToId?: number
  /** Without repeats. */
  mentionIds?: readonly number[]
  mentionsAll?: true
  /** What it is traced by. */
  trace?: TraceParent | undefined
}

interface Sent {
  status: 'sent'
  message: MessageRecord
  entries: LogEntry[]
}

export type SendOutcome =
  | Sent
  /** The key was used before; `message` is what was stored then, `conversationId` where this one would have gone. */
  | { status: 'repeat'; message: MessageRecord; conversationId: string }
  | { status: 'wrong_conversation'; expected: string }
  | { status: SendRefusal }
  /** The key was used before, and what was stored then could not be read. */
  | { status: 'failed'; error: unknown }

/**
 * Called with what a statement has logged as soon as it has, before repeats in the batch are looked up: nobody may receive a later
 * event first. Must not throw.
 */
type OnStored = (entries: readonly LogEntry[]) => void

const statementInputOf = (
  { senderId, receiverId, conversationId, content, messageType, mediaUrl, key, replyToId, mentionIds, mentionsAll }: NewMessage,
  ord: number,
): SendInput => ({
  ord,
  senderId,
  receiverId: receiverId ?? undefined,
  conversationId: conversationId ?? undefined,
  content,
  messageType,
  mediaUrl: mediaUrl ?? undefined,
  key: key ?? undefined,
  replyToId,
  mentionIds,
  mentionsAll,
})

/** The outcome of an input that was stored. */
function sentOf(row: SendRow, input: NewMessage): Sent {
  const { trace, replyToId, mentionIds, mentionsAll } = input
  const message: MessageRecord = {
    id: row.message_id as number,
    conversationId: row.conversation_id,
    isGroup: row.group_id !== null,
    groupId: row.group_id,
    senderId: input.senderId,
    senderName: row.sender_name,
    senderAvatar: row.sender_avatar,
    content: input.content,
    messageType: input.messageType,
    mediaUrl: input.mediaUrl,
    at: row.at,
  }
  if (replyToId !== undefined) message.replyToId = replyToId
  if (mentionIds !== undefined && mentionIds.length > 0) message.mentionIds = mentionIds
  if (mentionsAll) message.mentionsAll = true
  const event = { id: row.event_id, at: row.at, kind: 'message_sent', payload: message }
  const entries: LogEntry[] = [{ topic: row.topic1, seq: row.seq1, event, trace }]
  if (row.topic2 !== null) entries.push({ topic: row.topic2, seq: row.seq2, event, trace })
  return { status: 'sent', message, entries }
}

/**
 * Sends a batch in one statement, all or nothing. Outcomes come in the order of the input, whose (sender, key) pairs must differ
 * from each other.
 */
export type SendBatch = (batch: readonly NewMessage[], onStored?: OnStored) => Promise<SendOutcome[]>

/**
 * Runs the statement under the locks of these topics, which nobody can change meanwhile: a user who changes access again and again must
 * not keep others from sending.
 */
const runLocked = (db: Db, statement: Sql.Sql, topics: readonly string[]): Promise<SendRow[]> =>
  translateErrors(() =>
    (db as PrismaClient).$transaction(async (tx) => {
      await lockTopics(tx, topics)
      return await tx.$queryRaw<SendRow[]>(statement)
    }),
  )

export function createSendBatch(db: Db): SendBatch {
  /** The outcomes of inputs whose keys were used before; each with the conversation where it would have gone. */
  async function earlier(repeats: readonly (readonly [NewMessage, string])[]): Promise<SendOutcome[]> {
    const keys = repeats.map(([{ senderId, key }]) => ({ senderId, key }))
    const rows = await db.$queryRaw<(MessageRow & { client_key: string })[]>`
      SELECT ${messageColumns}, m.client_key FROM ${recordset(keys, 'k', '"senderId" int, key text')}
      JOIN messages mk ON mk.sender_id = k."senderId" AND mk.client_key = k.key
      JOIN messages m ON m.id = mk.id ${messageJoins}`
    const byKey = new Map(rows.map((row) => [`${row.sender_id}:${row.client_key}`, messageOf(row)]))
    return repeats.map(([{ senderId, key }, conversationId]) => {
      const message = byKey.get(`${senderId}:${key}`) as MessageRecord
      return { status: 'repeat', message, conversationId }
    })
  }

  async function store(batch: readonly NewMessage[], topics: readonly string[]): Promise<SendRow[]> {
    const statement = sendMessages(batch.map(statementInputOf))
    const run = (): Promise<SendRow[]> =>
      topics.length > 0 ? runLocked(db, statement, topics) : db.$queryRaw<SendRow[]>(statement)
    try {
      return await run()
    } catch (error) {
      // Another statement stored a key, or created a conversation, after this one's snapshot: the next one sees it.
      if (!isUniqueViolation(error)) throw error
      return await run()
    }
  }

  async function send(batch: readonly NewMessage[], onStored: OnStored, topics: readonly string[]): Promise<SendOutcome[]> {
    const rows = await store(batch, topics)
    const inputOf = ({ ord }: SendRow): NewMessage => batch[ord] as NewMessage
    const outcomes = new Map<number, SendOutcome>()
    const entries: LogEntry[] = []
    for (const row of rows) {
      if (row.message_id === null) continue
      const outcome = sentOf(row, inputOf(row))
      outcomes.set(row.ord, outcome)
      entries.push(...outcome.entries)
    }
    onStored(entries)
    // Messages are stored by now: what fails from here on must not look like a failure of the whole batch.
    async function add(some: readonly SendRow[], run: (some: readonly SendRow[]) => Promise<SendOutcome[]>): Promise<void> {
      if (some.length === 0) return
      const added = await run(some).catch((error: unknown) => some.map(() => ({ status: 'failed' as const, error })))
      some.forEach(({ ord }, index) => outcomes.set(ord, added[index] as SendOutcome))
    }
    await add(
      rows.filter(({ status }) => status === 'repeat'),
      (repeats) => earlier(repeats.map((row) => [inputOf(row), row.conversation_id])),
    )
    await add(
      rows.filter(({ status }) => status === 'stale'),
      (stale) => send(stale.map(inputOf), onStored, topicsOf(stale, inputOf)),
    )
    return rows.map((row): SendOutcome => {
      const outcome = outcomes.get(row.ord)
      if (outcome) return outcome
      if (row.status === 'wrong_conversation') return { status: 'wrong_conversation', expected: row.conversation_id }
      return { status: row.status as SendRefusal }
    })
  }

  return (batch, onStored = () => undefined) => send(batch, onStored, [])
}

/** The topics that messages are logged in. */
const topicsOf = (rows: readonly SendRow[], inputOf: (row: SendRow) => NewMessage): string[] => [
  ...new Set(
    rows.flatMap((row) => {
      const { senderId, receiverId } = inputOf(row)
      return row.group_id === null ? [`user:${senderId}`, `user:${receiverId}`] : [`group:${row.group_id}`]
    }),
  ),
]
