import { table } from '../support/table.js'
import { attacks } from './attacks/index.js'
import { BOUNDS } from './target.js'

const HEADER = [
  'attack',
  'engine',
  'longest wait of the others',
  'p99',
  'their sends, p99',
  'longest turn (CPU)',
  'memory held, kept',
  'what the attacker got',
  'holds',
]

const ms = (value) => (value == null ? '' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`)
const mib = (value) => (value == null ? '' : `${Math.round(value)}`)

/** Why a result is beyond the bounds; nothing where it holds. */
export function failures(attack, result) {
  const limit = attack.isBurst ? BOUNDS.burstWaitMs : BOUNDS.waitMs
  return [
    result.error && `not measured: ${result.error}`,
    result.ending && `the process ended (${result.ending})`,
    result.asks?.longest > limit && `others waited ${ms(result.asks.longest)}`,
    result.heldMiB > BOUNDS.heldMiB && `it held ${mib(result.heldMiB)} MiB`,
    result.heapMiB > BOUNDS.keptMiB && `${mib(result.heapMiB)} MiB stayed`,
    result.got?.leaked && `${result.got.leaked} messages read`,
  ].filter(Boolean)
}

function spoils(got) {
  if (!got) return ''
  const list = (map) =>
    Object.entries(map)
      .map(([name, count]) => `${count} × ${name}`)
      .join(', ')
  return [
    got.leaked && `**${got.leaked} messages read**`,
    `${got.answers} answers`,
    Object.keys(got.refusals).length > 0 && `refused ${list(got.refusals)}`,
    Object.keys(got.closes).length > 0 && `closed ${list(got.closes)}`,
    `${(got.bytesOut / 2 ** 20).toFixed(1)} MiB sent, ${(got.bytesIn / 2 ** 20).toFixed(1)} received`,
  ]
    .filter(Boolean)
    .join('; ')
}

/** The figures as a Markdown table, beside those of another run where they are given. */
export function tableOf(results, compared) {
  const rows = []
  for (const attack of attacks) {
    for (const [engine, byAttack] of Object.entries(results)) {
      const result = byAttack[attack.id]
      if (!result) continue
      const before = compared?.[engine]?.[attack.id]
      const failed = failures(attack, result)
      rows.push([
        `${attack.id}: ${attack.title}`,
        engine,
        `${ms(result.asks?.longest)}${before ? ` (${before.ending ? 'process ended' : ms(before.asks?.longest)})` : ''}`,
        ms(result.asks?.p99),
        ms(result.sends?.p99),
        ms(result.longestTurnCpuMs),
        [mib(result.heldMiB), mib(result.heapMiB)].filter(Boolean).join(', '),
        spoils(result.got),
        failed.length === 0 ? 'yes' : `no: ${failed.join('; ')}`,
      ])
    }
  }
  return table(HEADER, rows)
}
