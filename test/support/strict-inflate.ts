/**
 * Inflates (RFC 1951) one message after the other with a window that is kept between them, as small as a client may have it: anything
 * that refers further back throws, and so does a message that does not end with a whole block.
 */
export class StrictInflate {
  readonly #windowBytes: number
  /** All that was inflated so far, uncompressed messages left out. */
  #output: number[] = []
  /** How far back anything referred, at the most. */
  furthest = 0

  constructor(windowBits: number) {
    this.#windowBytes = 2 ** windowBits
  }

  /** A message's text, without the bytes that RFC 7692, section 7.2.1 leaves out. */
  message(bytes: Buffer): string {
    const input = Buffer.concat([bytes, Buffer.from([0x00, 0x00, 0xff, 0xff])])
    const start = this.#output.length
    let position = 0
    const bit = (): number => {
      const byte = input[position >> 3]
      if (byte === undefined) throw new Error('the message ends within a block')
      return (byte >> (position++ & 7)) & 1
    }
    const bits = (count: number): number => {
      let value = 0
      for (let index = 0; index < count; index++) value |= bit() << index
      return value
    }
    while (position < input.length * 8) {
      bits(1)
      const type = bits(2)
      if (type === 0) {
        position = (position + 7) & ~7
        const length = bits(16)
        if ((bits(16) ^ 0xffff) !== length) throw new Error('a stored block of two lengths')
        for (let index = 0; index < length; index++) this.#output.push(bits(8))
      } else if (type === 3) throw new Error('a block of no type')
      else this.#block(type === 1 ? FIXED : dynamicCodes(bits, bit), bits, bit)
    }
    return Buffer.from(this.#output.slice(start)).toString()
  }

  /** As a client does that was promised that no message refers to an earlier one. */
  forget(): void {
    this.#output = []
  }

  #block({ literals, distances }: Codes, bits: (count: number) => number, bit: () => number): void {
    for (;;) {
      const symbol = decode(literals, bit)
      if (symbol < 256) this.#output.push(symbol)
      else if (symbol === 256) return
      else {
        const [lengthBase = 0, lengthBits = 0] = LENGTHS[symbol - 257] ?? []
        const length = lengthBase + bits(lengthBits)
        const [distanceBase = 0, distanceBits = 0] = DISTANCES[decode(distances, bit)] ?? []
        const distance = distanceBase + bits(distanceBits)
        if (distance > this.#windowBytes) throw new Error(`refers ${distance} bytes back, of ${this.#windowBytes}`)
        if (distance > this.#output.length)
          throw new Error(`refers ${distance} bytes back, of ${this.#output.length} that there are`)
        this.furthest = Math.max(this.furthest, distance)
        for (let index = 0; index < length; index++) this.#output.push(this.#output[this.#output.length - distance] as number)
      }
    }
  }
}

/** Symbols by their length in bits and code. */
type Table = Map<string, number>
interface Codes {
  literals: Table
  distances: Table
}

function decode(table: Table, bit: () => number): number {
  for (let code = '', length = 0; length < 15; length++) {
    code += bit()
    const symbol = table.get(code)
    if (symbol !== undefined) return symbol
  }
  throw new Error('a code that stands for nothing')
}

/** RFC 1951, section 3.2.2. */
function tableOf(lengths: readonly number[]): Table {
  const table: Table = new Map()
  let code = 0
  for (let length = 1; length <= 15; length++) {
    for (const [symbol, own] of lengths.entries())
      if (own === length) table.set((code++).toString(2).padStart(length, '0'), symbol)
    code <<= 1
  }
  return table
}

/** First values and extra bits, each range after the one before (RFC 1951, section 3.2.5). */
function ranges(first: number, extra: readonly number[]): [number, number][] {
  let base = first
  return extra.map((bits) => {
    const range: [number, number] = [base, bits]
    base += 2 ** bits
    return range
  })
}
const LENGTHS: [number, number][] = [
  ...ranges(3, [...Array<number>(8).fill(0), 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5]),
  [258, 0],
]
const DISTANCES = ranges(
  1,
  Array.from({ length: 30 }, (_, code) => Math.max(0, (code >> 1) - 1)),
)

const FIXED: Codes = {
  literals: tableOf([
    ...Array<number>(144).fill(8),
    ...Array<number>(112).fill(9),
    ...Array<number>(24).fill(7),
    ...Array<number>(8).fill(8),
  ]),
  distances: tableOf(Array<number>(30).fill(5)),
}

const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/** RFC 1951, section 3.2.7. */
function dynamicCodes(bits: (count: number) => number, bit: () => number): Codes {
  const [literalCount, distanceCount, codeCount] = [bits(5) + 257, bits(5) + 1, bits(4) + 4]
  const codeLengths = Array<number>(19).fill(0)
  for (let index = 0; index < codeCount; index++) codeLengths[CODE_LENGTH_ORDER[index] as number] = bits(3)
  const table = tableOf(codeLengths)
  const lengths: number[] = []
  while (lengths.length < literalCount + distanceCount) {
    const symbol = decode(table, bit)
    if (symbol < 16) lengths.push(symbol)
    else if (symbol === 16) lengths.push(...Array<number>(3 + bits(2)).fill(lengths.at(-1) as number))
    else lengths.push(...Array<number>(symbol === 17 ? 3 + bits(3) : 11 + bits(7)).fill(0))
  }
  return { literals: tableOf(lengths.slice(0, literalCount)), distances: tableOf(lengths.slice(literalCount)) }
}
