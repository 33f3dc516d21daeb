/** The frames of Parley's legacy protocol, so that every loop of `ws` sends as many bytes. */
const encode = (type, data, messageId) => JSON.stringify({ type, code: 200, msg: 'success', data, message_id: messageId })

const now = () => new Date().toISOString().replace(/\.\d{3}Z$/, 'Z')

/**
 * The push of a message.
 *
 * @param {{ message_id: string, data: { conversation_id?: string, receiver_id?: number, content: string } }} frame the request
 * @param {{ id: number, name: string }} sender
 * @param {number} id of the message
 */
export function pushOf({ data: { conversation_id: conversationId, receiver_id: receiverId, content } }, sender, id) {
  const isGroup = receiverId === undefined
  const data = {
    id,
    session_id: isGroup ? conversationId : directConversation(sender.id, receiverId),
    sender_id: sender.id,
    sender_name: sender.name,
    sender_avatar: null,
    content,
    message_type: 'text',
    media_url: null,
    is_group: isGroup,
    timestamp: now(),
  }
  if (isGroup) data.group_id = Number(conversationId.slice('group_'.length))
  return encode('message_sent', data, String(id))
}

export const directConversation = (a, b) => `direct_${Math.min(a, b)}_${Math.max(a, b)}`

/** The answer to a message. */
export const answerTo = ({ message_id: messageId }) => {
  return encode('message_sent', { success: true, message: '消息发送成功' }, messageId)
}

export const greeting = (userId, connectionId) => {
  return encode('connection_established', { user_id: userId, connection_id: connectionId, server_time: now() })
}
