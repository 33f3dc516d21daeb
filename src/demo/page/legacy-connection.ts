/** The chat over the legacy protocol, by the project's own client. */
import { createLegacyClient, type Incoming } from '../../clients/legacy/client.ts'
import type { PushData } from '../../legacy-protocol/frames.ts'
import type { ChatEvent, ChatMessage, Connection, ConnectionOptions } from './connection.ts'
import type { Frame, Line } from './line.ts'
import { freshToken, LEGACY_URL } from './server.ts'

/** How long a request waits for a connection that the user has cut. */
const PATIENCE_MS = 600_000

export function connectLegacy(line: Line, { userId, after, listener }: ConnectionOptions): Connection {
  const client = createLegacyClient({
    url: LEGACY_URL,
    token: () => line.restored().then(() => freshToken(userId)),
    webSocket: line.Socket,
    lastMessageId: after,
    capabilities: ['edits', 'replies', 'reads'],
    timing: { request: PATIENCE_MS, minBackoff: 200, maxBackoff: 5000 },
    onState: (state) => listener.state(state),
  })
  const resumes = createResumes(listener.resumed)
  line.watch(resumes.watch)
  void read()

  async function read(): Promise<void> {
    try {
      for await (const push of client) {
        const event = eventOf(push)
        if (event) listener.event(event, resumes.has(push.message_id))
      }
    } catch {
      // Closed by the server permanently, which `state` has reported.
    }
  }

  return {
    async send({ conversationId, peerId }, content, key, replyToId) {
      const body = { conversation_id: conversationId, content, reply_to_id: replyToId === null ? null : Number(replyToId) }
      const data =
        peerId === null
          ? { ...body, is_group: true as const }
          : { ...body, receiver_id: Number(peerId), is_group: false as const }
      await client.request('message_sent', data, { messageId: key })
    },
    async edit({ id, isGroup }, content) {
      await client.request('message_edited', { message_id: Number(id), content, is_group: isGroup })
    },
    async delete({ id, isGroup }) {
      await client.request('message_deleted', { message_id: Number(id), is_group: isGroup })
    },
    async setTyping(conversationId, typing) {
      await client.request('typing', { session_id: conversationId, typing })
    },
    async markRead(messages) {
      await Promise.all(
        messages.map(({ id, isGroup }) => client.request('message_read', { message_id: Number(id), is_group: isGroup })),
      )
    },
    async react({ id, isGroup }, reaction, isAdded) {
      const data = { message_id: Number(id), reaction, is_group: isGroup }
      await client.request(isAdded ? 'reaction_added' : 'reaction_removed', data)
    },
    close: () => void client.close(),
  }
}

/** Finds out from the frames which events a resume brought: the client itself sorts them between the others. */
function createResumes(resumed: (count: number, after: string) => void) {
  const ids = new Set<string>()
  let asked: { id: string; after: string; isFirst: boolean } | undefined
  let isFirst = true

  return {
    has: (id: string | undefined): boolean => id !== undefined && ids.has(id),

    watch: ({ direction, text }: Frame): void => {
      if (direction === 'note') return
      const frame = JSON.parse(text) as { type: string; message_id?: string; data?: Record<string, unknown> }
      if (direction === 'out') {
        if (frame.type !== 'resume') return
        asked = { id: String(frame.message_id), after: String(frame.data?.['last_message_id']), isFirst }
        isFirst = false
      } else if (asked && frame.message_id === asked.id) {
        if (!asked.isFirst && frame.type === 'resume') resumed(Number(frame.data?.['replayed']), asked.after)
        asked = undefined
      } else if (asked && !asked.isFirst && frame.message_id !== undefined) ids.add(frame.message_id)
    },
  }
}

function messageOf(data: PushData<'message_sent'>, isEdited: boolean): ChatMessage {
  return {
    id: String(data.id),
    conversationId: data.session_id,
    isGroup: data.is_group,
    sender: { id: String(data.sender_id), name: data.sender_name },
    content: data.content,
    timestamp: data.timestamp,
    replyToId: data.reply_to_id == null ? null : String(data.reply_to_id),
    isEdited,
    isDeleted: false,
  }
}

function eventOf(push: Incoming): ChatEvent | undefined {
  switch (push.type) {
    case 'message_sent':
      return { kind: 'message', message: messageOf(push.data, false) }
    case 'message_edited':
      return { kind: 'edited', message: messageOf(push.data, true) }
    case 'message_deleted':
      return { kind: 'deleted', conversationId: push.data.session_id, messageId: String(push.data.message_id) }
    case 'message_read':
      return { kind: 'read', messageId: String(push.data.message_id), readerId: String(push.data.reader_id) }
    case 'reaction_added':
    case 'reaction_removed': {
      const { message_id, reaction, reaction_user_ids } = push.data
      return { kind: 'reaction', messageId: String(message_id), reaction, userIds: reaction_user_ids.map(String) }
    }
    case 'conversation_read': {
      const { session_id, read_up_to, unread_count } = push.data
      const readUpTo = read_up_to === null ? null : String(read_up_to)
      return { kind: 'marked', conversationId: session_id, readUpTo, unread: unread_count }
    }
    case 'typing': {
      const { session_id, user_id, user_name, typing } = push.data
      return { kind: 'typing', conversationId: session_id, user: { id: String(user_id), name: user_name }, typing }
    }
    case 'online_status':
      return { kind: 'online', userId: String(push.data.user_id), online: push.data.online }
    case 'group_updated':
    case 'user_joined_group':
    case 'user_left_group':
      return { kind: 'group' }
    case 'resume':
      return { kind: 'gap' }
    // The page does not show the others, nor those of later versions.
    default:
      return undefined
  }
}
