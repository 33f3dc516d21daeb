/**
 * What is aimed at: ratios of two figures of the same round.
 *
 * @typedef {object} Target
 * @property {string} what
 * @property {string} figure
 * @property {[string, string]} of a system and a case
 * @property {[string, string]} by
 * @property {number} [atMost]
 * @property {number} [atLeast]
 */
const FAN_OUT_16 = 'fan-out to 500, window 16'
const FAN_OUT_50 = 'fan-out to 50, window 16'
const FAN_OUT_1 = 'fan-out to 500, window 1'
const NODES = 'fan-out to 500 on 2 nodes, window 16'
const IDLE = 'idle, from 5000 to 15000 connections'
const COMPRESSION = (kind) => `fan-out to 500, compression ${kind}, window 16`

const compare = (name, figure, of, by, aim) => ({ what: name, figure, of: [of, name], by: [by, name], ...aim })
const delivery = (name, of, by, atMost) => compare(name, 'cpuMicrosPerDelivery', of, by, { atMost })

/** The same system's figure in a group of 5000, by that in a group of 50. */
const growth = (what, figure, caseOf, atMost) => ({
  what,
  figure,
  of: ['parley-legacy', caseOf(5000)],
  by: ['parley-legacy', caseOf(50)],
  atMost,
})
/** Shared compression against none. */
const compressed = (system, figure, atMost) => ({
  what: COMPRESSION('shared'),
  figure,
  of: [system, COMPRESSION('shared')],
  by: [system, COMPRESSION('off')],
  atMost,
})
/** Two workers against one. */
const worked = (system, figure, caseOn) => ({
  what: caseOn('2 workers'),
  figure,
  of: [system, caseOn('2 workers')],
  by: [system, caseOn('1 worker')],
  atMost: 1.1,
})
const fanOutOf = (size) => `fan-out to ${size}, window 16`
const statementsOf = (size) => `group of ${size} on 2 nodes, window 1`

/** @type {Target[]} */
export const targets = [
  delivery(FAN_OUT_16, 'parley-legacy', 'ws', 0.2),
  delivery(FAN_OUT_16, 'parley-graphql', 'ws', 0.27),
  delivery(FAN_OUT_16, 'parley-graphql', 'yoga', 0.08),
  delivery(FAN_OUT_16, 'parley-legacy', 'bun', 1.7),
  delivery(FAN_OUT_16, 'parley-graphql', 'bun', 2.3),
  delivery(FAN_OUT_50, 'parley-legacy', 'ws', 0.45),
  delivery(FAN_OUT_50, 'parley-graphql', 'ws', 0.5),
  delivery(FAN_OUT_1, 'parley-legacy', 'ws', 1),
  delivery(FAN_OUT_1, 'parley-graphql', 'ws', 1.15),
  delivery(NODES, 'parley-legacy', 'ws', 0.3),
  ...['direct chat, window 1', 'direct chat, window 8'].flatMap((name) => [
    compare(name, 'cpuMicrosPerMessage', 'parley-legacy', 'ws-insert', { atMost: 0.8 }),
    compare(name, 'messagesPerSecond', 'parley-legacy', 'ws-insert', { atLeast: 1.5 }),
    compare(name, 'cpuMicrosPerMessage', 'parley-graphql', 'yoga', { atMost: 0.2 }),
  ]),
  // Of the server and the database together.
  compare('direct chat, window 8', 'allMicrosPerMessage', 'parley-legacy', 'ws-batch', { atMost: 1.8 }),
  compare(IDLE, 'bytesPerConnection', 'parley-legacy', 'ws', { atMost: 1.5 }),
  compare(IDLE, 'bytesPerConnection', 'parley-graphql', 'yoga', { atMost: 1 }),
  compare('connect', 'cpuMicrosPerConnection', 'parley-legacy', 'ws', { atMost: 2.5 }),
  compare('connect', 'cpuMicrosPerConnection', 'parley-graphql', 'yoga', { atMost: 1 }),
  ...['parley-legacy', 'parley-graphql'].flatMap((system) => [
    compressed(system, 'bytesPerDelivery', 0.25),
    compressed(system, 'cpuMicrosPerDelivery', 1.5),
  ]),
  growth('group of 5000 by 50, window 16', 'cpuMicrosPerDelivery', fanOutOf, 1.25),
  // Constant, but for what the nodes do every few seconds.
  growth('group of 5000 by 50, window 1', 'statementsPerMessage', statementsOf, 1.1),
  growth('group of 5000 by 50, window 1', 'commandsPerMessage', statementsOf, 1.1),
  ...['parley-legacy', 'parley-graphql'].flatMap((system) => [
    worked(system, 'cpuMicrosPerDelivery', (on) => `fan-out to 500 on ${on}, window 16`),
    worked(system, 'allMicrosPerMessage', (on) => `direct chat on ${on}, window 8`),
  ]),
]
