/**
 * The words of a message for the search. Words match by prefix; text of scripts without spaces, and emoji, by any substring. The index
 * stores tokens, which are hashes: it yields candidates, and `matches` checks each of them.
 */

/** A word, or a run of characters of a script that has no spaces between words. */
export interface SearchTerm {
  kind: 'word' | 'run'
  /** After `fold`. */
  text: string
}

/** Lengths of the indexed prefixes, in code points; a search uses the longest that fits into its word. */
const PREFIX_LENGTHS = [1, 2, 3, 5, 8] as const
const LONGEST = 8
const IS_INDEXED = Array.from({ length: LONGEST + 1 }, (_, length) => PREFIX_LENGTHS.some((each) => each === length))

const SPACELESS =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}' +
  '\\u30fc\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\p{Regional_Indicator}'
/** Digits are pictographic too, as parts of keycaps. */
const TERMS = new RegExp(`((?:(?![0-9#*©®])[${SPACELESS}]\\p{M}*)+)|((?:(?![${SPACELESS}])[\\p{L}\\p{N}\\p{M}]|[0-9])+)`, 'gu')
/** Variation selectors, joiners and the soft hyphen, which are invisible. */
const JOINERS = /\ufe0e|\ufe0f|\u200c|\u200d|\u00ad/g
const ACCENTS = /([\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}])\p{Mn}+/gu
/** Letters that Unicode does not decompose. */
const LETTERS: Readonly<Record<string, string>> = { ø: 'o', ł: 'l', đ: 'd', æ: 'ae', œ: 'oe', þ: 'th', ð: 'd', ħ: 'h' }

/**
 * The longest content, in UTF-16 code units. Folding makes it longer only with ligatures of whole words (U+FDFA becomes 18 characters);
 * the excess is not searchable.
 */
const FOLDED_LENGTH = 10_000

/** Text without differences of width, case and accents (NFKC; `ß` becomes `ss`). */
export function fold(text: string): string {
  const decomposed = text.normalize('NFKC').slice(0, FOLDED_LENGTH)
  // Upper case first: `ß` becomes `SS`, and then `ss`.
  const folded = decomposed.replace(JOINERS, '').toUpperCase().toLowerCase().normalize('NFD')
  return folded
    .replace(ACCENTS, '$1')
    .replace(/[øłđæœþðħ]/g, (letter) => LETTERS[letter] as string)
    .normalize('NFC')
}

const ASCII = /^[\x20-\x7e\n]*$/
const ASCII_WORDS = /[a-z0-9]+/g

/** The words and runs of a text, in their order; punctuation separates them. */
export function termsOf(text: string): SearchTerm[] {
  // A fast path for most messages of many installations.
  if (ASCII.test(text)) return (text.toLowerCase().match(ASCII_WORDS) ?? []).map((found) => ({ kind: 'word', text: found }))
  const terms: SearchTerm[] = []
  for (const [found, run] of fold(text).matchAll(TERMS)) terms.push({ kind: run === undefined ? 'word' : 'run', text: found })
  return terms
}

const FNV_START = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** FNV-1a of a text, continued from the hash `before`, as a signed 32-bit number. */
function hash(text: string, before = FNV_START): number {
  let value = before
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), FNV_PRIME)
  return value
}

const WORD = hash('w')
const RUN = hash('r')

/** The token of an attribute, such as the sender. Its prefix keeps it apart from words of the content. */
export const markToken = (mark: string): number => hash(mark, hash(':'))

/** Adds the tokens of a word's prefixes. */
function addPrefixes(word: string, tokens: Set<number>): void {
  let value = WORD
  let length = 0
  for (const character of word) {
    value = hash(character, value)
    length++
    if (IS_INDEXED[length]) tokens.add(value)
    if (length === LONGEST) return
  }
}

/** Equal to adding the prefixes of each word, in one pass without strings, since every message is indexed. */
function addAsciiTokens(text: string, tokens: Set<number>): void {
  let value = WORD
  let length = 0
  for (let index = 0; index < text.length; index++) {
    let code = text.charCodeAt(index)
    if (code >= 0x41 && code <= 0x5a) code += 0x20
    if (!((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39))) {
      value = WORD
      length = 0
    } else if (length < LONGEST) {
      value = Math.imul(value ^ code, FNV_PRIME)
      length++
      if (IS_INDEXED[length]) tokens.add(value)
    }
  }
}

/** The tokens of a message's content. */
export function tokensOf(content: string): Set<number> {
  const tokens = new Set<number>()
  if (ASCII.test(content)) {
    addAsciiTokens(content, tokens)
    return tokens
  }
  for (const { kind, text } of termsOf(content)) {
    if (kind === 'word') addPrefixes(text, tokens)
    else {
      let before: number | undefined
      for (const character of text) {
        if (before !== undefined) tokens.add(hash(character, before))
        tokens.add((before = hash(character, RUN)))
      }
    }
  }
  return tokens
}

/** The tokens that a message has where it matches the term. */
export function tokensFor({ kind, text }: SearchTerm): number[] {
  const characters = [...text]
  if (kind === 'word') {
    const length = PREFIX_LENGTHS.findLast((each) => each <= characters.length) as number
    return [hash(characters.slice(0, length).join(''), WORD)]
  }
  if (characters.length === 1) return [hash(text, RUN)]
  return characters.slice(1).map((character, index) => hash(`${characters[index]}${character}`, RUN))
}

/** Whether a content has all the terms. */
export function matches(content: string, terms: readonly SearchTerm[]): boolean {
  if (terms.length === 0) return true
  const found = termsOf(content)
  return terms.every(({ kind, text }) =>
    found.some((term) => term.kind === kind && (kind === 'word' ? term.text.startsWith(text) : term.text.includes(text))),
  )
}
