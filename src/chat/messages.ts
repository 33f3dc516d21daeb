import { badInput, ChatError } from '../errors.ts'
import type { Counts } from '../telemetry/counters.ts'
import type { MessageRecord, NewMessage, SendOutcome } from '../store/messages.ts'
import type { Store } from '../store/store.ts'
import { inSpan, SpanKind, traceParent, tracing } from '../telemetry/tracing.ts'
import { createWriteQueue } from '../lib/write-queue.ts'
import type { Access } from './access.ts'
import type { Commits } from './commit.ts'
import { parseDirectId } from './access.ts'
import { LIMITS, problemWithContent, problemWithKey, problemWithMediaUrl, problemWithMessageType } from '../limits.ts'
import { isSameSet, problemWithMentions, refusalError } from './refusals.ts'
import type { Typing } from './typing.ts'

export interface SendInput {
  conversationId: string | null
  receiverId: number | null
  isGroup: boolean | null
  content: string
  messageType: string
  mediaUrl: string | null
  key: string | null
  /** The message of the same conversation that this one replies to. */
  replyToId?: number | null
  /** Members of the conversation. */
  mentionIds?: readonly number[] | null
  /** Whether every member is mentioned. */
  mentionAll?: boolean | null
}

export interface Messages {
  /**
   * Sends a message (docs/protocol.md, section 3.1); resolves when it is committed. Calls of one sender keep their order. A
   * repeated key resolves with the message stored first, or rejects with CONFLICT if content or conversation differ.
   */
  send(senderId: number, input: SendInput): Promise<MessageRecord>
  /** Resolves when all sends so far are written. */
  idle(): Promise<void>
}

export interface MessagesOptions {
  store: Store
  commits: Commits
  access: Access
  typing: Pick<Typing, 'stop'>
  counts: Counts
}

export function createMessages({ store, commits, access, typing, counts }: MessagesOptions): Messages {
  const queue = createWriteQueue<NewMessage, SendOutcome>({
    write(batch) {
      const send = () => store.messages.sendBatch(batch, (entries) => commits.publish(entries))
      if (!tracing.isOn) return send()
      const about = { name: 'statement send_messages', kind: SpanKind.CLIENT, links: batch.map(({ trace }) => trace) }
      return inSpan({ ...about, attributes: { 'parley.batch_messages': batch.length } }, send)
    },
    onWritten(outcomes) {
      const committedAt = performance.now()
      counts.batch(outcomes.length)
      for (const outcome of outcomes) {
        if (outcome.status === 'sent') typing.stop(outcome.message.senderId, outcome.message.conversationId)
      }
      // The deliveries of this turn have been written by then, or as many as one turn writes.
      setImmediate(() => counts.committedToWritten((performance.now() - committedAt) / 1000))
    },
    laneOf: ({ senderId }) => senderId,
    keyOf: ({ senderId, key }) => (key === null ? null : `${senderId}:${key}`),
    // More than one statement in flight was measured to gain nothing.
    lanes: 1,
    limit: 512,
    // Of 512 long messages each statement, and each write to a socket, would take a tenth of a second.
    sizeLimit: 131_072,
    sizeOf: ({ content, mediaUrl }) => content.length + (mediaUrl?.length ?? 0),
    capacity: 100_000,
  })

  async function write(message: NewMessage): Promise<MessageRecord> {
    const acceptedAt = performance.now()
    const outcome = await queue.add(tracing.isOn ? { ...message, trace: traceParent() } : message)
    counts.acceptedToCommitted((performance.now() - acceptedAt) / 1000)
    switch (outcome.status) {
      case 'sent':
        return outcome.message
      case 'repeat':
        if (!isSame(message, outcome)) {
          throw new ChatError('CONFLICT', 'this idempotency key was used for another message; use a new one for each message')
        }
        return outcome.message
      case 'wrong_conversation':
        throw badInput(`conversationId is not the one of this receiver: expected ${JSON.stringify(outcome.expected)} or none`)
      case 'failed':
        throw outcome.error
      default:
        throw refusalError(outcome.status, message)
    }
  }

  return {
    send(senderId, input) {
      const { receiverId, isGroup, content, messageType, mediaUrl, key } = input
      const conversationId = input.conversationId === null ? null : beginningOfId(input.conversationId)
      const problem =
        problemWithContent(content, mediaUrl !== null) ??
        problemWithMessageType(messageType) ??
        (mediaUrl === null ? null : problemWithMediaUrl(mediaUrl)) ??
        (key === null ? null : problemWithKey(key)) ??
        problemWithMentions(input.mentionIds)
      if (problem !== null) return Promise.reject(badInput(problem))
      // One object for each message that is sent, filled in as it becomes known: copies cost more than the checks.
      const message: NewMessage = { senderId, receiverId: null, conversationId, content, messageType, mediaUrl, key }
      addQuotes(message, input)
      if (receiverId !== null && isGroup !== true) {
        if (receiverId === senderId)
          return Promise.reject(badInput('receiverId is the sender: a message to oneself is not possible'))
        message.receiverId = receiverId
        if (conversationId === '') message.conversationId = null
        return write(message)
      }
      if (conversationId === null) return Promise.reject(badInput('neither a conversation nor a receiver is given'))
      // Synchronous if possible, so that a sender's messages keep their order.
      const direct = isGroup === true ? undefined : parseDirectId(conversationId, senderId)
      if (direct) message.receiverId = direct.otherUserId
      if (direct || isGroup === true || /^group_\d+$/.test(conversationId)) return write(message)
      return access.conversation(senderId, conversationId, 'post').then(({ pair }) => {
        message.receiverId = pair?.find((id) => id !== senderId) ?? null
        return write(message)
      })
    },
    idle: () => queue.idle(),
  }
}

/** More UTF-16 units than any conversation's id has. */
const ID_UNITS = 2 * LIMITS.conversationId + 2

/** As much of an id as tells it from all others: the rest would go through the statement that all senders share. */
const beginningOfId = (id: string): string => (id.length <= ID_UNITS ? id : id.slice(0, ID_UNITS).replace(/[\ud800-\udbff]$/, ''))

/** Adds the reply and mentions of a message, if any. */
function addQuotes(message: NewMessage, { replyToId, mentionIds, mentionAll }: SendInput): void {
  if (replyToId != null) message.replyToId = replyToId
  if (mentionIds != null && mentionIds.length > 0) message.mentionIds = [...new Set(mentionIds)]
  if (mentionAll) message.mentionsAll = true
}

/** Whether a key's first message had the same content and conversation. */
function isSame(sent: NewMessage, { message, conversationId }: { message: MessageRecord; conversationId: string }): boolean {
  // The original content is gone; the sender gets the message's current state.
  if (message.editedAt !== undefined || message.deletedAt !== undefined) return true
  return (
    sent.content === message.content &&
    sent.messageType === message.messageType &&
    sent.mediaUrl === message.mediaUrl &&
    sent.replyToId === message.replyToId &&
    sent.mentionsAll === message.mentionsAll &&
    isSameSet(sent.mentionIds, message.mentionIds) &&
    conversationId === message.conversationId &&
    (sent.conversationId ?? conversationId) === conversationId
  )
}
