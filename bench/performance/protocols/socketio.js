/** Socket.IO 5 over Engine.IO 4, on a WebSocket from the start. @type {import('./protocol.js').Protocol} */
export const socketio = {
  path: '/socket.io/?EIO=4&transport=websocket',
  headers: () => ({}),
  async open(connection, token) {
    await connection.until('0{')
    const connected = connection.until('40{')
    connection.send(`40${JSON.stringify({ token })}`)
    await connected
  },
  message: ({ conversationId, key, number, content }) => {
    return `42${number}${JSON.stringify(['message_sent', { key, conversationId, content }])}`
  },
  acknowledgement: Buffer.from('"success":true'),
  failures: [Buffer.from('44{'), Buffer.from('"success":false')],
}
