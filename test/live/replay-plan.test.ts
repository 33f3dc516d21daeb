import { describe, expect, test } from 'vitest'
import type { Checkpoint } from '../../src/live/checkpoints.ts'
import { NO_OVERLAP } from '../../src/live/ranges.ts'
import { cutReplay, planReplay, type ReplayInput } from '../../src/live/replay-plan.ts'
import type { LogPosition, TopicRange } from '../../src/store/event-log.ts'

const open = (topic: string, after: number): TopicRange => ({ topic, after, until: Infinity })

/** A range as `topic after until`. */
const shown = (ranges: readonly TopicRange[]): string[] => ranges.map(({ topic, after, until }) => `${topic} ${after} ${until}`)

const at = (seq: number, swept: { sweptSeq: number; isSwept: boolean } = { sweptSeq: 0, isSwept: false }) => ({ seq, ...swept })

/** By topic, the `seq` up to which the log's events precede the cursor. */
const known = (positions: Record<string, ReturnType<typeof at>>): ReplayInput['positions'] => ({
  known: true,
  positions: new Map(Object.entries(positions)),
})

const checkpoint = (seqs: Record<string, number>, late: Checkpoint['late'] = []): Checkpoint => ({
  ...{ scope: 'all', from: 1, to: 100 },
  seqs,
  late,
})

const BASE: ReplayInput = {
  cursor: 50,
  memberships: [open('user:1', 0), open('group:1', 10)],
  positions: known({ 'user:1': at(5), 'group:1': at(20) }),
  checkpoints: [],
  overlap: NO_OVERLAP,
  delivered: [],
}

const SNAPSHOT = { snapshot: '10:20:12', lastId: 50, at: 0, epoch: '' }

const cases: [what: string, input: Partial<ReplayInput>, ranges: string[], complete: boolean][] = [
  ['of each topic what was logged after the cursor', {}, ['user:1 5 Infinity', 'group:1 20 Infinity'], true],
  [
    'nothing from before a membership began',
    { positions: known({ 'user:1': at(5), 'group:1': at(7) }) },
    ['user:1 5 Infinity', 'group:1 10 Infinity'],
    true,
  ],
  ['a former membership to its end', { memberships: [{ topic: 'group:1', after: 10, until: 30 }] }, ['group:1 20 30'], true],
  [
    'nothing of a membership that ended before the cursor',
    { memberships: [{ topic: 'group:1', after: 10, until: 15 }] },
    [],
    true,
  ],
  [
    'all of a topic that has no event yet',
    { positions: known({ 'user:1': at(5) }) },
    ['user:1 5 Infinity', 'group:1 10 Infinity'],
    true,
  ],
  [
    'nothing that was delivered already',
    { delivered: [open('user:1', 8), { topic: 'group:1', after: 22, until: 25 }] },
    ['user:1 5 8', 'group:1 20 22', 'group:1 25 Infinity'],
    true,
  ],
  ['nothing after a cursor that is not known', { positions: { ...BASE.positions, known: false } }, [], false],
  [
    'what is left where retention took some',
    { positions: known({ 'user:1': at(5), 'group:1': at(20, { sweptSeq: 20, isSwept: true }) }) },
    ['user:1 5 Infinity', 'group:1 20 Infinity'],
    false,
  ],
  [
    'all where retention took what was before a membership',
    { positions: known({ 'user:1': at(5), 'group:1': at(10, { sweptSeq: 10, isSwept: true }) }) },
    ['user:1 5 Infinity', 'group:1 10 Infinity'],
    true,
  ],
  [
    'what the last connection did not get, by its checkpoint',
    { checkpoints: [checkpoint({ 'user:1 0': 3, 'group:1 10': 20 })] },
    ['user:1 3 Infinity', 'group:1 20 Infinity'],
    true,
  ],
  [
    'all of a membership that the last connection did not know',
    { checkpoints: [checkpoint({ 'user:1 0': 5 })] },
    ['user:1 5 Infinity', 'group:1 10 Infinity'],
    true,
  ],
  [
    'an event that came to the last connection behind the cursor',
    { checkpoints: [checkpoint({ 'user:1 0': 5, 'group:1 10': 20 }, [{ topic: 'group:1', seq: 15, id: 40, behind: 60 }])] },
    ['user:1 5 Infinity', 'group:1 14 Infinity'],
    true,
  ],
  [
    'by the least of several checkpoints',
    { checkpoints: [checkpoint({ 'user:1 0': 4, 'group:1 10': 20 }), checkpoint({ 'user:1 0': 5, 'group:1 10': 18 })] },
    ['user:1 4 Infinity', 'group:1 18 Infinity'],
    true,
  ],
  [
    'again what the cursor may have overtaken',
    { overlap: { starts: new Map([['group:1', 17]]), count: 3, isWhole: true } },
    ['user:1 5 Infinity', 'group:1 17 Infinity'],
    true,
  ],
  [
    'not all where the cursor may have overtaken more',
    { overlap: { starts: new Map([['group:1', 17]]), count: 3, isWhole: false } },
    ['user:1 5 Infinity', 'group:1 17 Infinity'],
    false,
  ],
  ['what a snapshot does not show', { cursor: SNAPSHOT }, ['user:1 5 Infinity', 'group:1 20 Infinity'], true],
]

describe('a replay delivers', () => {
  test.each(cases)('%s', (_, input, ranges, complete) => {
    const plan = planReplay({ ...BASE, ...input })
    expect(shown(plan.ranges)).toEqual(ranges)
    expect(plan.complete).toBe(complete)
  })
})

describe('a replay is cut', () => {
  const plan = planReplay(BASE)
  const entry = (topic: string, seq: number, id: number): LogPosition => ({ topic, seq, id, at: 0, xid: 1000 - id })
  const newest = [entry('user:1', 6, 51), entry('group:1', 21, 52), entry('group:1', 22, 53)]

  test('at what is logged now, since the rest comes live', () => {
    const { ranges, start } = cutReplay(plan, newest, 3)
    expect(shown(ranges)).toEqual(['user:1 5 6', 'group:1 20 22'])
    expect(start).toEqual({ complete: true })
  })

  test('to nothing where nothing is logged', () => {
    expect(cutReplay(plan, [], 3)).toEqual({ ranges: [], start: { complete: true } })
  })

  test('to the newest entries, and goes on after the last one that is left out', () => {
    const { ranges, start } = cutReplay(plan, newest, 2)
    expect(shown(ranges)).toEqual(['group:1 20 22'])
    expect(start).toEqual({ complete: false, goesOnAfter: { kind: 'event', id: 51 } })
  })

  test('not further where it was not complete, and goes on before the first transaction of what it has', () => {
    const incomplete = { ...plan, complete: false }
    expect(cutReplay(incomplete, newest, 3).start).toEqual({ complete: false, goesOnAfter: { kind: 'transactions', xid: 947 } })
    expect(cutReplay(incomplete, [], 3).start).toEqual({ complete: false, goesOnAfter: { kind: 'opening' } })
  })
})
