import { randomBytes } from 'node:crypto'

export const TEXT = 1
export const CLOSE = 8
export const PING = 9
export const PONG = 10

/** The same mask for all frames: the server unmasks them all the same, and a random one would protect nothing here. */
const MASK = Buffer.from(randomBytes(4).map((byte) => byte || 1))

/** A frame of a client, masked (RFC 6455, section 5.2). */
export function clientFrame(payload, opcode = TEXT) {
  const bytes = Buffer.from(payload)
  const { length } = bytes
  if (length > 65_535) throw new Error('a frame of the generator is small')
  const start = length < 126 ? 6 : 8
  const frame = Buffer.allocUnsafe(start + length)
  frame[0] = 0x80 | opcode
  frame[1] = 0x80 | (length < 126 ? length : 126)
  if (length >= 126) frame.writeUInt16BE(length, 2)
  MASK.copy(frame, start - 4)
  for (let index = 0; index < length; index++) frame[start + index] = bytes[index] ^ MASK[index & 3]
  return frame
}
