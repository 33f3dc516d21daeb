/** The rules: each guarantee of docs/guarantees.md is one of them at least, by the name that the documentation has for it. */
import type { History } from './history.ts'
import {
  comesBack,
  committedFirst,
  cursorOfState,
  entitled,
  ephemeral,
  noGap,
  onceInAConnection,
  order,
  resume,
  slowClients,
} from './rules-delivered.ts'
import { allOrNothing, readPointers, refused, sameSuccess, sentOnce, stored } from './rules-stored.ts'
import { truthOf, type Truth } from './truth.ts'

export interface Violation {
  rule: string
  what: string
}

export interface Rule {
  /** Which row or section of docs/guarantees.md it checks. */
  guarantee: string
  check: (truth: Truth) => string[]
}

export const RULES: Readonly<Record<string, Rule>> = {
  stored: { guarantee: 'Success means stored', check: stored },
  refused: { guarantee: 'Idempotent sends', check: refused },
  'all or nothing': { guarantee: 'All or nothing', check: allOrNothing },
  'committed first': { guarantee: 'Message ids', check: committedFirst },
  order: { guarantee: 'Order', check: order },
  'once in a connection': { guarantee: 'No gap', check: onceInAConnection },
  'no gap': { guarantee: 'No gap', check: noGap },
  entitled: { guarantee: 'Entitled only', check: entitled },
  resume: { guarantee: 'Resume', check: resume },
  'sent once': { guarantee: 'No double send', check: sentOnce },
  'same success': { guarantee: 'Idempotent sends', check: sameSuccess },
  'slow clients': { guarantee: 'Slow clients', check: slowClients },
  'typing and presence': { guarantee: 'Typing and presence', check: ephemeral },
  'comes back': { guarantee: 'Several nodes', check: comesBack },
  'cursor of state': { guarantee: 'A cursor of state', check: cursorOfState },
  'read pointers': { guarantee: 'Read pointers', check: readPointers },
  'no failure': { guarantee: 'Outages', check: ({ history }) => [...history.state.failures] },
}

/** What of a history breaks which rule. */
export function check(history: History): Violation[] {
  const truth = truthOf(history)
  return Object.entries(RULES).flatMap(([rule, { check: find }]) => find(truth).map((what) => ({ rule, what })))
}
