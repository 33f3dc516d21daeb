import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fold, matches, termsOf, tokensFor, tokensOf } from '../../src/chat/search-words.ts'

const finds = (content: string, text: string): boolean => matches(content, termsOf(text))

describe('words', () => {
  test.each([
    ['Hello, World!', 'hello'],
    ['Hello, World!', 'WORL'],
    ['Straße', 'strasse'],
    ['STRASSE', 'straß'],
    ['Café naïve Ångström', 'cafe angstrom'],
    ['cafe', 'CAFÉ'],
    ['Привет, Ёлка', 'елк'],
    ['ｆｕｌｌ ｗｉｄｔｈ', 'full'],
    ['smørrebrød', 'smorre'],
    ['release 3.14', '14'],
    ['foo_bar-baz', 'bar'],
    ['한국어 검색', '검'],
    ['a verylongwordindeed here', 'verylongwordin'],
  ])('%j has %j', (content, text) => expect(finds(content, text)).toBe(true))

  test.each([
    ['Hello, World!', 'ello'],
    ['Hello', 'hello world'],
    ['verylongwordindeed', 'verylongwordx'],
    ['catalogue', 'cat log'],
  ])('%j has not %j', (content, text) => expect(finds(content, text)).toBe(false))
})

describe('scripts without spaces, and emoji', () => {
  test.each([
    ['今天天气很好，我们去公园吧', '天气'],
    ['今天天气很好，我们去公园吧', '好'],
    ['今天天气很好，我们去公园吧', '公园 天气'],
    ['東京タワーへ行く', 'タワー'],
    ['カタカナ', 'ｶﾀｶﾅ'],
    ['สวัสดีครับ', 'ดีครับ'],
    ['nice 👍🏽!', '👍🏽'],
    ['nice 👍🏽!', '👍'],
    ['iPhone手机壳', 'iphone手机'],
    ['❤️', '❤'],
  ])('%j has %j', (content, text) => expect(finds(content, text)).toBe(true))

  test.each([
    ['今天天气很好，我们去公园吧', '气天'],
    ['今天天气很好，我们去公园吧', '好我'],
    ['👍', '👎'],
  ])('%j has not %j', (content, text) => expect(finds(content, text)).toBe(false))
})

test('nothing is found by blanks and punctuation', () => expect(termsOf(' …!? -- ')).toEqual([]))

test('a text that becomes longer by folding is found by its beginning', () => {
  const terms = termsOf(`start ${'\ufdfa'.repeat(5000)}`)
  expect(terms[0]).toEqual({ kind: 'word', text: 'start' })
  expect(terms.reduce((length, { text }) => length + text.length, 0)).toBeLessThanOrEqual(10_000)
  // As long as a content may be.
  expect(finds('👍'.repeat(4998) + '天气', '天气')).toBe(true)
})

test('a text that is folded stays as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(fold(fold(text))).toBe(fold(text))
    }),
  )
})

test('a content that has the terms has their tokens: the index leaves nothing out', () => {
  const character = fc.constantFrom(...'aAbé ß天气,.👍🏽ｶﾞgh1', 'ไ', 'ท')
  const text = fc.array(character, { maxLength: 20 }).map((characters) => characters.join(''))
  fc.assert(
    fc.property(text, text, (content, query) => {
      const terms = termsOf(query)
      if (!matches(content, terms)) return
      const tokens = tokensOf(content)
      for (const token of terms.flatMap(tokensFor)) expect(tokens.has(token)).toBe(true)
    }),
    { numRuns: 2000 },
  )
})

test('a content of ASCII alone has the tokens of its words, as it has among others', () => {
  const plain = fc.string({ unit: fc.constantFrom(...'abzAZ019 .,-_\n@`{[', 'longerThanEight'), maxLength: 40 })
  fc.assert(
    fc.property(plain, (text) => {
      // The last word makes the text one that is folded.
      const others = tokensOf(' 天')
      expect(tokensOf(text)).toEqual(new Set([...tokensOf(`${text} 天`)].filter((token) => !others.has(token))))
    }),
  )
})
