/** A client's WebSocket frame as bytes: with a mask of zeros, which changes nothing. */
export function frame(text, { opcode = 1, fin = true, rsv1 = false } = {}) {
  const payload = Buffer.from(text)
  const first = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode
  if (payload.length < 126) return Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), payload])
  const head = Buffer.from([first, 0x80 | 126, 0, 0, 0, 0, 0, 0])
  head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}

/** So many of it that they make so many bytes. */
export const filled = (bytes, size) => Buffer.concat(Array(Math.floor(size / bytes.length)).fill(bytes))

export const subscribe = (id, query, variables) =>
  JSON.stringify({ id: String(id), type: 'subscribe', payload: { query, variables } })
