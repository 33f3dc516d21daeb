/**
 * What a message can be found by. Words are found by their beginnings; what is written without spaces, and emoji, by any sequence of
 * characters. An index holds tokens, each a hash: it says which messages may match, and `matches` which of them do.
 */

/** A word, or a run of characters of a script that has no spaces between words. */
export interface SearchTerm {
  kind: 'word' | 'run'
  /** Folded. */
  text: string
}

/** Beginnings of words up to this length, in code points, are in the index. */
const PREFIX_LENGTH = 10

const SPACELESS =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}' +
  '\\u30fc\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\p{Regional_Indicator}'
/** Digits are pictographic too, as parts of keycaps. */
const TERMS = new RegExp(`((?:(?![0-9#*©®])[${SPACELESS}]\\p{M}*)+)|((?:(?![${SPACELESS}])[\\p{L}\\p{N}\\p{M}]|[0-9])+)`, 'gu')
/** Selectors and joiners, which show nothing by themselves. */
const JOINERS = /\ufe0e|\ufe0f|\u200c|\u200d|\u00ad/g
const ACCENTS = /([\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}])\p{Mn}+/gu
/** Letters that Unicode does not decompose. */
const LETTERS: Readonly<Record<string, string>> = { ø: 'o', ł: 'l', đ: 'd', æ: 'ae', œ: 'oe', þ: 'th', ð: 'd', ħ: 'h' }

/** Text without differences of width, case and accents (NFKC; `ß` is `ss`). */
export function fold(text: string): string {
  // Upper case first: some letters have no lower case of their own that others share.
  const folded = text.normalize('NFKC').replace(JOINERS, '').toUpperCase().toLowerCase().normalize('NFD')
  return folded
    .replace(ACCENTS, '$1')
    .replace(/[øłđæœþðħ]/g, (letter) => LETTERS[letter] as string)
    .normalize('NFC')
}

/** The words and runs of a text, in their order; punctuation separates them. */
export function termsOf(text: string): SearchTerm[] {
  const terms: SearchTerm[] = []
  for (const [found, run] of fold(text).matchAll(TERMS)) terms.push({ kind: run === undefined ? 'word' : 'run', text: found })
  return terms
}

/** FNV-1a, as a signed 32-bit number. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value
}

/** What is no part of the content has names of its own, so that no content looks like it. */
export const markToken = (mark: string): number => hash(`:${mark}`)

/** The tokens of a message's content. */
export function tokensOf(content: string): Set<number> {
  const tokens = new Set<number>()
  for (const { kind, text } of termsOf(content)) {
    const characters = [...text]
    if (kind === 'word') {
      let beginning = 'w'
      for (const character of characters.slice(0, PREFIX_LENGTH)) tokens.add(hash((beginning += character)))
    } else {
      characters.forEach((character, index) => {
        tokens.add(hash(`r${character}`))
        const next = characters[index + 1]
        if (next !== undefined) tokens.add(hash(`r${character}${next}`))
      })
    }
  }
  return tokens
}

/** The tokens that a message has where it matches the term. */
export function tokensFor({ kind, text }: SearchTerm): number[] {
  const characters = [...text]
  if (kind === 'word') return [hash(`w${characters.slice(0, PREFIX_LENGTH).join('')}`)]
  if (characters.length === 1) return [hash(`r${text}`)]
  return characters.slice(1).map((character, index) => hash(`r${characters[index]}${character}`))
}

/** Whether a content has all the terms. */
export function matches(content: string, terms: readonly SearchTerm[]): boolean {
  const found = termsOf(content)
  return terms.every(({ kind, text }) =>
    found.some((term) => term.kind === kind && (kind === 'word' ? term.text.startsWith(text) : term.text.includes(text))),
  )
}
