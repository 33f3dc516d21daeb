/** @type {import('./protocol.js').Protocol} */
export const legacy = {
  path: '/ws/connect',
  headers: (token) => ({ Authorization: `Bearer ${token}` }),
  open: (connection) => connection.until('"connection_established"'),
  message: ({ conversationId, receiverId, key, content }) => {
    const to = receiverId === undefined ? { conversation_id: conversationId, is_group: true } : { receiver_id: receiverId }
    return JSON.stringify({ type: 'message_sent', message_id: key, data: { ...to, content } })
  },
  acknowledgement: Buffer.from('"success":true'),
  failures: [Buffer.from('"type":"error"')],
}
