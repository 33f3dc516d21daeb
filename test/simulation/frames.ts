/** What the network's observer reads from what a node sent, in the words of the history. */
import type { Delivered, Entry, Protocol } from './history.ts'

type Found = Extract<Entry, { kind: 'delivered' | 'resumed' | 'failed' }>
type Some = Record<string, unknown>

const number = (value: unknown): number => Number(value)

/** The part of a legacy push that rules look at. */
function ofLegacy(type: string, data: Some): Delivered {
  const userId = data['user_id'] === undefined ? {} : { userId: number(data['user_id']) }
  const conversationId = data['session_id'] === undefined ? {} : { conversationId: String(data['session_id']) }
  if (type === 'message_sent' || type === 'message_edited')
    return { messageId: number(data['id']), content: String(data['content']), ...conversationId }
  if (type === 'typing') return { ...userId, ...conversationId, typing: data['typing'] === true }
  if (type === 'online_status') return { ...userId, online: data['online'] === true }
  if (type === 'conversation_read') return { ...conversationId, readUpTo: data['read_up_to'] as number | null }
  return {}
}

function ofGraphql(event: Some): Delivered {
  const message = event['message'] as { id: string; content: string } | undefined
  const user = event['user'] as { id: string } | undefined
  const conversationId = event['conversationId'] === undefined ? {} : { conversationId: String(event['conversationId']) }
  switch (event['__typename']) {
    case 'MessageSent':
    case 'MessageEdited':
      return { messageId: number(message?.id), content: message?.content ?? '' }
    case 'TypingChanged':
      return { userId: number(user?.id), ...conversationId, typing: event['typing'] === true }
    case 'OnlineStatusChanged':
      return { userId: number(event['userId']), online: event['online'] === true }
    case 'ConversationRead':
      return { ...conversationId, readUpTo: event['readUpTo'] === null ? null : number(event['readUpTo']) }
    default:
      return {}
  }
}

const PUSHES = new Set([
  'message_sent',
  'message_edited',
  'message_deleted',
  'message_read',
  'conversation_read',
  'user_updated',
  'reaction_added',
  'reaction_removed',
  'typing',
  'online_status',
  'group_updated',
  'user_joined_group',
  'user_left_group',
  'notification',
])

const TYPES: Readonly<Record<string, string>> = {
  MessageSent: 'message_sent',
  TypingChanged: 'typing',
  OnlineStatusChanged: 'online_status',
  ConversationRead: 'conversation_read',
}

/** What a frame tells, and of which subscription of its socket; undefined where no rule looks at it. */
export function streamOfFrame(text: string, protocol: Protocol): { subscription: string; entry: Found } | undefined {
  const frame = JSON.parse(text) as Some
  const type = String(frame['type'])
  if (protocol === 'legacy') {
    const data = (frame['data'] ?? {}) as Some
    if (type === 'resume' && data['success'] === true)
      return { subscription: '', entry: { kind: 'resumed', stream: '', complete: data['complete'] === true } }
    if (!PUSHES.has(type) || data['success'] !== undefined) return undefined
    const id = frame['message_id'] === undefined ? null : number(frame['message_id'])
    return { subscription: '', entry: { kind: 'delivered', stream: '', id, type, about: ofLegacy(type, data) } }
  }
  if (type !== 'next') return undefined
  const { data, errors } = frame['payload'] as { data?: { events?: Some } | null; errors?: unknown }
  const event = data?.events
  const subscription = String(frame['id'])
  if (!event) return errors ? { subscription, entry: { kind: 'failed', stream: '' } } : undefined
  const name = String(event['__typename'])
  if (name === 'ResumeIncomplete') return { subscription, entry: { kind: 'resumed', stream: '', complete: false } }
  const id = event['id'] == null ? null : number(event['id'])
  return { subscription, entry: { kind: 'delivered', stream: '', id, type: TYPES[name] ?? name, about: ofGraphql(event) } }
}
