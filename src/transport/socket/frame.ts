/** The first byte of a whole text frame: FIN and the opcode; with RSV1 it is compressed (RFC 7692, section 7.2.1). */
const TEXT = 0x81
const COMPRESSED_TEXT = 0xc1

/** The header of a text frame to a client (RFC 6455, section 5.2), with room for `extra` bytes after it. */
function withHeader(length: number, extra: number, firstByte = TEXT): { frame: Buffer; start: number } {
  const start = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(start + extra)
  frame[0] = firstByte
  if (start === 2) frame[1] = length
  else if (start === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  return { frame, start }
}

/**
 * A text frame to a client, header and payload in one buffer (RFC 6455, section 5.2). Frames to clients are not masked,
 * so the same bytes serve every socket.
 */
export function encodeTextFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const { frame, start } = withHeader(length, length)
  frame.write(text, start)
  return frame
}

/** The header of a text frame and the beginning of its payload; `restBytes` more follow in other buffers. */
export function encodeTextFrameStart(beginning: Buffer, restBytes: number): Buffer {
  const { frame, start } = withHeader(beginning.length + restBytes, beginning.length)
  beginning.copy(frame, start)
  return frame
}

/** A compressed text frame to a client, of DEFLATE blocks. */
export function encodeCompressedFrame(...blocks: readonly Buffer[]): Buffer {
  const length = blocks.reduce((sum, block) => sum + block.length, 0)
  const { frame, start } = withHeader(length, length, COMPRESSED_TEXT)
  let end = start
  for (const block of blocks) end += block.copy(frame, end)
  return frame
}

/** The payload of a frame that was encoded here. */
export const payloadOf = (frame: Buffer): Buffer => frame.subarray(frame[1] === 127 ? 10 : frame[1] === 126 ? 4 : 2)
