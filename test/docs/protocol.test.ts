import { describe, expect, test } from 'vitest'
import { EVENTS } from '../../src/chat/events.ts'
import { PUSH_OF } from '../../src/legacy-protocol/events.ts'
import { PUSHES, REQUESTS, TEXTS } from '../../src/legacy-protocol/frames.ts'
import { read } from '../support/pages.ts'

const PAGE = read('docs/protocol.md')
/** The cells of the rows of a section's tables whose first column has this title, by what their first cell names. */
function rowsOf(section: string, column: string): Map<string, string[]> {
  const from = PAGE.indexOf(`\n## ${section}\n`)
  const text = PAGE.slice(from, PAGE.indexOf('\n## ', from + 1))
  const tables = text.match(/(?:^\|.*\|\n)+/gm) ?? []
  const rows = tables.flatMap((table) => {
    const cells = [...table.matchAll(/^\| (.*) \|$/gm)].map(([, row = '']) => row.split(' | ').map((cell) => cell.trim()))
    return cells[0]?.[0] === column ? cells : []
  })
  return new Map(
    rows.flatMap((cells) => [...(cells[0] ?? '').matchAll(/`(\w+)`/g)].map(([, name = '']) => [name, cells] as const)),
  )
}

describe('docs/protocol.md', () => {
  test('has every request with its texts', () => {
    const rows = new Map([...rowsOf('9. Capabilities', 'request'), ...rowsOf('3. Requests and their responses', 'request')])
    for (const [type, { failure, response }] of Object.entries(REQUESTS)) {
      const [success, message] = (rows.get(type) ?? []).slice(-2)
      expect([type, message]).toEqual([type, failure])
      for (const value of Object.values(response.data)) if (typeof value === 'string') expect(success).toContain(value)
      const fields = 'fields' in response ? Object.keys(response.fields) : []
      for (const name of [...Object.keys(response.data), ...fields]) expect(success).toContain(`\`${name}\``)
    }
  })

  test('has every push with its event and its keys in order', () => {
    const rows = new Map([...rowsOf('9. Capabilities', 'push'), ...rowsOf('4. Pushes', 'type')])
    const types = Object.fromEntries(Object.entries(PUSH_OF).map(([event, push]) => [push, event]))
    for (const [type, spec] of Object.entries(PUSHES)) {
      const [event, , data = ''] = (rows.get(type) ?? []).slice(-3)
      expect([type, event]).toEqual([type, `\`${types[type]}\``])
      expect(Object.values(EVENTS).map((row) => row.type)).toContain(types[type])
      if (data.startsWith('the same')) continue
      const outer = data.replaceAll(/\([^)]*\)/g, '')
      const names = [...outer.matchAll(/`(\w+)`/g)].map(([, name = '']) => name).filter((name) => name !== 'is_group')
      const keys = Object.keys('groupFields' in spec ? spec.groupFields : spec.fields).filter((name) => name !== 'is_group')
      expect([type, ...names]).toEqual([type, ...keys])
    }
  })

  test('has every literal text', () => {
    for (const text of Object.values(TEXTS)) expect(PAGE).toContain(text)
  })
})
