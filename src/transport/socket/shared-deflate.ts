import { constants, deflateRawSync } from 'node:zlib'
import { DEFLATE_TAIL } from './deflate-offer.ts'
import { encodeCompressedFrame } from './frame.ts'

/** How many bytes of text are kept as compression history, of all messages together. */
const HISTORY_BYTES = 4 * 1024 * 1024
/** The overhead of one message beside its text. */
const MESSAGE_BYTES = 200

/** How many compressed variants one message may have. Sockets that would need a further one get it uncompressed. */
const VARIANTS_LIMIT = 32

/**
 * How many bytes one turn of the event loop compresses, of all messages and their variants together: some 10 ms. What is beyond it goes
 * uncompressed, and so does a longer text.
 */
const TURN_BYTES = 128 * 1024
/** The overhead of one compression beside its text, in bytes that take as long. */
const COMPRESSION_BYTES = 512
/** zlib looks no further back. */
const LARGEST_WINDOW = 32_768

/** Shorter texts are not worth compressing. */
const MIN_BYTES = 64

/** Placeholder in the dictionary for bytes that differ between sockets. It does not occur in UTF-8, so that no match refers to it. */
const FILLER = 0xff

/** zlib's matches reach back this many bytes less than its window (MIN_LOOKAHEAD). */
const ZLIB_MARGIN = 262
const MIN_ZLIB_WINDOW_BITS = 9
/** Longer texts are compressed with more memory. */
const LARGE_CHARACTERS = 4096

/** The longest match of DEFLATE, and the shortest. */
const MAX_MATCH = 258
const MIN_MATCH = 3

/**
 * A text that many sockets get; in graphql-ws, each after a beginning with its own subscription id. Sockets in the same state share the
 * compressed bytes.
 */
export class SharedMessage {
  /** Whose text it is: only messages with the same scope may refer to it. */
  readonly scope: string
  /** Undefined once no message refers to it any more. */
  text: string | undefined
  readonly byteLength: number
  /** Its compressed variants in this turn of the event loop, the most recently used first. */
  variants: Variant[] | undefined

  constructor(text: string, scope: string) {
    this.text = text
    this.scope = scope
    this.byteLength = Buffer.byteLength(text)
  }
}

/** What a socket's compressed messages depend on. */
export interface DeflateState {
  /** The client's window is 2 to the power of this, in bytes. */
  readonly windowBits: number
  /** The last compressed message, with which the client's window ends; undefined if there is none, or no context takeover. */
  readonly last: SharedMessage | undefined
  /** Whether the message and the last one have the same beginning, byte by byte. */
  readonly repeats: boolean
}

interface Variant {
  readonly windowBits: number
  readonly previous: SharedMessage | undefined
  /** The length of the beginning, if the blocks depend on it. */
  readonly beginningBytes: number
  /** The DEFLATE blocks of the text; undefined where they save nothing. */
  readonly blocks: Buffer | undefined
  /** A whole frame, where the beginning is a reference to that of the last message, or empty. */
  frame: Buffer | undefined
}

/** Messages that are being sent in this turn of the event loop. */
let sending: SharedMessage[] = []
/** What this turn has compressed. */
let turnBytes = 0

/** Messages that later ones may refer to, the oldest first. */
const histories: SharedMessage[] = []
let historyBytes = 0

function beginToSend(message: SharedMessage): Variant[] {
  if (sending.push(message) === 1) setImmediate(endTurn)
  histories.push(message)
  historyBytes += message.byteLength + MESSAGE_BYTES
  while (historyBytes > HISTORY_BYTES && histories.length > 1) {
    const oldest = histories.shift() as SharedMessage
    oldest.text = undefined
    historyBytes -= oldest.byteLength + MESSAGE_BYTES
  }
  return (message.variants = [])
}

function endTurn(): void {
  for (const message of sending) message.variants = undefined
  sending = []
  turnBytes = 0
}

/**
 * The frame of a compressed message, `beginning` and the message's text, for a socket in this state. Undefined where it has to go uncompressed.
 */
export function compressedFrame(message: SharedMessage, beginning: Buffer, state: DeflateState): Buffer | undefined {
  if (message.byteLength < MIN_BYTES) return undefined
  const previous = state.last?.scope === message.scope && state.last.text !== undefined ? state.last : undefined
  const variant = variantFor(message, previous, previous ? beginning.length : 0, state.windowBits)
  if (!variant?.blocks) return undefined
  if (beginning.length === 0) return (variant.frame ??= encodeCompressedFrame(variant.blocks))
  const distance = beginning.length + (previous?.byteLength ?? 0)
  if (previous && state.repeats && isMatch(beginning.length, distance, state.windowBits)) {
    return (variant.frame ??= encodeCompressedFrame(copyBlocks(beginning.length, distance), variant.blocks))
  }
  return encodeCompressedFrame(storedHeader(beginning.length), beginning, variant.blocks)
}

function variantFor(
  message: SharedMessage,
  previous: SharedMessage | undefined,
  beginningBytes: number,
  windowBits: number,
): Variant | undefined {
  const { text } = message
  if (text === undefined) return undefined
  const variants = message.variants ?? beginToSend(message)
  const bits = Math.min(windowBits, usefulWindowBits(message, previous, beginningBytes))
  const isIt = (each: Variant): boolean =>
    each.previous === previous && each.beginningBytes === beginningBytes && each.windowBits === bits
  const index = variants.findIndex(isIt)
  if (index === 0) return variants[0]
  let variant = variants[index]
  if (variant) variants.splice(index, 1)
  else {
    if (variants.length >= VARIANTS_LIMIT) return undefined
    const bytes = message.byteLength + Math.min(LARGEST_WINDOW, previous?.byteLength ?? 0) + COMPRESSION_BYTES
    if (turnBytes + bytes > TURN_BYTES) return undefined
    turnBytes += bytes
    const blocks = compress(text, previous, beginningBytes, bits)
    const isSmaller = blocks.length < message.byteLength
    variant = { windowBits: bits, previous, beginningBytes, blocks: isSmaller ? blocks : undefined, frame: undefined }
  }
  variants.unshift(variant)
  return variant
}

/** The window beyond which a larger one makes no difference, so that sockets with different windows share a variant. */
function usefulWindowBits(message: SharedMessage, previous: SharedMessage | undefined, beginningBytes: number): number {
  const bytes = (previous?.byteLength ?? 0) + beginningBytes + message.byteLength + ZLIB_MARGIN
  return Math.min(15, Math.max(MIN_ZLIB_WINDOW_BITS, Math.ceil(Math.log2(bytes))))
}

/** The DEFLATE blocks of a text, up to a byte boundary. They refer to the text itself and to the previous message's. */
function compress(text: string, previous: SharedMessage | undefined, beginningBytes: number, windowBits: number): Buffer {
  const output = deflateRawSync(text, {
    finishFlush: constants.Z_SYNC_FLUSH,
    // zlib takes no smaller window, but refers no further back in this one than 250 bytes, which all windows have.
    windowBits: Math.max(MIN_ZLIB_WINDOW_BITS, windowBits),
    memLevel: text.length < LARGE_CHARACTERS ? 5 : 8,
    chunkSize: text.length + 64,
    ...(previous ? { dictionary: Buffer.concat([Buffer.from(previous.text ?? ''), Buffer.alloc(beginningBytes, FILLER)]) } : {}),
  })
  return output.subarray(0, -DEFLATE_TAIL.length)
}

const isMatch = (length: number, distance: number, windowBits: number): boolean =>
  length >= MIN_MATCH && length <= MAX_MATCH && distance <= 2 ** windowBits

/** The header of a stored block, which the bytes follow (RFC 1951, section 3.2.4). */
function storedHeader(length: number): Buffer {
  return Buffer.from([0x00, length & 0xff, length >> 8, ~length & 0xff, (~length >> 8) & 0xff])
}

/** The extra bits of each length code and each distance code (RFC 1951, section 3.2.5). */
const LENGTH_EXTRA_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5]
const DISTANCE_EXTRA_BITS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13]

/** The code for a value, counted from the first one, and its extra bits. */
function codeOf(value: number, first: number, extraBits: readonly number[]): { code: number; extra: number; bits: number } {
  let base = first
  for (const [code, bits] of extraBits.entries()) {
    if (value < base + 2 ** bits) return { code, extra: value - base, bits }
    base += 2 ** bits
  }
  throw new RangeError(`no code for ${value}`)
}

/** A block of one match with fixed Huffman codes, and an empty stored block, which ends at a byte boundary. */
function copyBlocks(length: number, distance: number): Buffer {
  const bits: number[] = []
  /** The lowest bit first. */
  const number = (value: number, count: number): void => {
    for (let bit = 0; bit < count; bit++) bits.push((value >> bit) & 1)
  }
  /** Huffman codes have their highest bit first. */
  const huffman = (value: number, count: number): void => {
    for (let bit = count - 1; bit >= 0; bit--) bits.push((value >> bit) & 1)
  }
  // Not the last block, fixed codes.
  number(0b010, 3)
  const match = length === MAX_MATCH ? { code: 28, extra: 0, bits: 0 } : codeOf(length, MIN_MATCH, LENGTH_EXTRA_BITS)
  // Codes 257 to 279 have 7 bits from 0000001 on, 280 to 285 have 8 from 11000000 on; 256, the end, is 0000000.
  if (match.code < 23) huffman(match.code + 1, 7)
  else huffman(0b11000000 + match.code - 23, 8)
  number(match.extra, match.bits)
  const back = codeOf(distance, 1, DISTANCE_EXTRA_BITS)
  huffman(back.code, 5)
  number(back.extra, back.bits)
  huffman(0, 7)
  // Not the last block, stored.
  number(0b000, 3)
  const bytes = Buffer.alloc(Math.ceil(bits.length / 8))
  bits.forEach((bit, index) => (bytes[index >> 3] = (bytes[index >> 3] as number) | (bit << (index & 7))))
  return Buffer.concat([bytes, DEFLATE_TAIL])
}
