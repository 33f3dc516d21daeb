import { describe, expect, test } from 'vitest'
import {
  excerpt,
  problemWithContent,
  problemWithKey,
  problemWithMediaUrl,
  problemWithMessageType,
  problemWithName,
  problemWithReaction,
} from '../../src/limits.ts'
import { createRateLimit } from '../../src/transport/rate-limit.ts'
import type { ChatError } from '../../src/errors.ts'

describe('texts are counted in code points', () => {
  test.each([
    ['x', 5000],
    ['🦊', 5000],
    ['é', 5000],
  ])('%s', (character, most) => {
    expect(problemWithContent(character.repeat(most), false)).toBe(null)
    expect(problemWithContent(character.repeat(most + 1), false)).toContain('longer than 5000')
  })

  test('emoji of several code points count as several', () => {
    expect(problemWithName('👨‍👩‍👧‍👦'.repeat(14))).toBe(null)
    expect(problemWithName('👨‍👩‍👧‍👦'.repeat(15))).toContain('longer')
  })

  test('as many UTF-16 units as may be are looked at no further', () => {
    expect(problemWithKey('🦊'.repeat(64))).toBe(null)
    expect(problemWithKey(`${'🦊'.repeat(64)}x`)).toContain('longer')
    expect(problemWithKey('x'.repeat(129))).toContain('longer')
  })
})

describe('each function names the field and what was expected', () => {
  test.each([
    [problemWithContent('', false), 'content is empty'],
    [problemWithContent('', true), null],
    [problemWithContent('\0', true), 'content has a NUL'],
    [problemWithContent('\udc00', false, 'text'), 'text has a NUL character or a lone surrogate'],
    [problemWithMessageType('text'), null],
    [problemWithMessageType('a0_'), null],
    [problemWithMessageType('a'.repeat(32)), null],
    [problemWithMessageType('a'.repeat(33)), 'messageType is'],
    [problemWithMessageType('0a'), 'messageType is "0a"'],
    [problemWithMessageType('text\n'), 'messageType is'],
    [problemWithMediaUrl('https://example.org/ü?q=1#x'), null],
    [problemWithMediaUrl('HTTP://EXAMPLE.ORG'), null],
    [problemWithMediaUrl('https://'), 'mediaUrl is'],
    [problemWithMediaUrl('https:example.org'), 'mediaUrl is'],
    [problemWithMediaUrl('https://exa mple.org'), 'mediaUrl is'],
    [problemWithMediaUrl('https://example.org:99999'), 'mediaUrl is'],
    [problemWithMediaUrl('https://example.org/\n'), 'mediaUrl is'],
    [problemWithMediaUrl('//example.org'), 'mediaUrl is'],
    [problemWithMediaUrl('data:text/html,x'), 'mediaUrl is'],
    [problemWithMediaUrl(''), 'mediaUrl is empty'],
    [problemWithReaction('👍', 'r'), null],
    [problemWithReaction('', 'r'), 'r is empty'],
    [problemWithReaction('\u0085'), 'reaction has white space or control'],
    [problemWithReaction('\u3000'), 'reaction has white space or control'],
  ])('%j', (problem, expected) => {
    if (expected === null) expect(problem).toBe(null)
    else expect(problem?.startsWith(expected), `${problem}`).toBe(true)
  })
})

test('an excerpt is short, printable and never cuts a character', () => {
  expect(excerpt('abc')).toBe('"abc"')
  expect(excerpt('🦊'.repeat(41))).toBe(`"${'🦊'.repeat(40)}…"`)
  expect(excerpt('a\0\n\u202e\ud800b')).toBe('"a\ufffd\ufffd\ufffd\ufffdb"')
})

describe('the rate limit', () => {
  const takes = (limit: ReturnType<typeof createRateLimit>, userId: number): number => {
    for (let count = 0; ; count++) {
      try {
        limit.take(userId)
      } catch (error) {
        expect((error as ChatError).code).toBe('RATE_LIMITED')
        return count
      }
      if (count > 1000) return Infinity
    }
  }

  test('gives each user a burst and then so many a second', () => {
    let now = 1_000_000
    const limit = createRateLimit({ perSecond: 10, burst: 5, now: () => now })
    expect(takes(limit, 1)).toBe(5)
    expect(takes(limit, 2)).toBe(5)
    now += 250
    expect(takes(limit, 1)).toBe(2)
    now += 60_000
    expect(takes(limit, 1)).toBe(5)
  })

  test('says how long to wait, and that is enough', () => {
    let now = 1_000_000
    const limit = createRateLimit({ perSecond: 3, burst: 1, now: () => now })
    limit.take(1)
    const wait = (): number => {
      try {
        limit.take(1)
      } catch (error) {
        return (error as ChatError).retryAfterMs ?? expect.fail('no wait')
      }
      return 0
    }
    const ms = wait()
    expect(ms).toBe(334)
    now += ms
    expect(wait()).toBe(0)
  })

  test('a clock that steps back gives nothing and takes nothing for ever', () => {
    let now = 1_000_000
    const limit = createRateLimit({ perSecond: 1, burst: 2, now: () => now })
    expect(takes(limit, 1)).toBe(2)
    now -= 600_000
    expect(takes(limit, 1)).toBe(0)
    now += 2_000
    expect(takes(limit, 1)).toBe(2)
  })

  test('0 switches it off', () => {
    expect(takes(createRateLimit({ perSecond: 0, burst: 0 }), 1)).toBe(Infinity)
  })
})
