import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CLOSE, comeBackMsIn, reconnectOf, restartingIn } from '../../src/legacy-protocol/close-codes.ts'

test('the protocol lists each code that the server closes with', () => {
  const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')
  const section = page.slice(page.indexOf('### Close codes'), page.indexOf('### A new token'))
  const listed = [...section.matchAll(/^\| (\d{4}) \|/gm)].map(([, code]) => Number(code))
  const codes = Object.values(CLOSE).map(({ code }) => code)
  expect(new Set(listed)).toEqual(new Set(codes.filter((code) => code !== CLOSE.normal.code)))
})

test('a client stays away from who disconnected it, and comes back after anything else', () => {
  expect(reconnectOf(4403)).toBe('never')
  expect(reconnectOf(4401)).toBe('with another token')
  expect(reconnectOf(1012)).toBe('when told')
  for (const code of [1000, 1006, 1011, 4429, 4508, 4999]) expect(reconnectOf(code)).toBe('later')
})

test('a client finds in the reason of a restart when to come back', () => {
  expect(restartingIn(2350)).toBe('the server restarts: come back with resume in 2350 ms')
  expect(comeBackMsIn(restartingIn(2350))).toBe(2350)
  expect(comeBackMsIn(CLOSE.interrupted.reason)).toBeUndefined()
})
