/**
 * The texts of messages. Each begins with who of the room wrote it and the how manieth it is, so that the generator finds
 * both in the bytes of whatever frame carries it.
 */
const MARK = Buffer.from('m#')
const SLOT_DIGITS = 3
const NUMBER_DIGITS = 8
const REST = ' Shall we meet at the station at half past seven? The train leaves at a quarter to.'

/** 96 characters. */
export const contentOf = (slot, number) =>
  `m#${String(slot).padStart(SLOT_DIGITS, '0')}${String(number).padStart(NUMBER_DIGITS, '0')}${REST}`

/** Where a text stands in these bytes; -1 where none does. */
export function findContent(bytes, start, end) {
  const found = bytes.indexOf(MARK, start)
  return found < 0 || found + MARK.length + SLOT_DIGITS + NUMBER_DIGITS > end ? -1 : found + MARK.length
}

export const slotAt = (bytes, position) => digits(bytes, position, SLOT_DIGITS)
export const numberAt = (bytes, position) => digits(bytes, position + SLOT_DIGITS, NUMBER_DIGITS)

function digits(bytes, position, count) {
  let value = 0
  for (let index = position; index < position + count; index++) value = value * 10 + bytes[index] - 48
  return value
}
