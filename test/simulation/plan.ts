/** What a seed stands for: a cluster, its clients, what they do and what goes wrong, each at its time. A plan can be cut down and still be run. */
import type { BusFaults } from './bus.ts'
import type { StoreFaults } from './model/database.ts'
import type { NodeSettings } from './node.ts'
import { createRandom } from './world.ts'
import type { Protocol } from './history.ts'

export interface ClientPlan {
  userId: number
  protocol: Protocol
  /** How long its tokens are good, in milliseconds; undefined: for ever. */
  tokenMs: number | undefined
}

/** `pick` in [0, 1) chooses among what there is when the step comes. */
export type Step = { at: number } & (
  | { do: 'send'; client: number; to: { user: number } | { group: number }; repeats: boolean }
  | { do: 'message'; client: number; op: MessageOp; pick: number }
  | { do: 'typing'; client: number; pick: number; typing: boolean }
  | { do: 'group'; client: number; op: 'invite' | 'remove' | 'join' | 'leave'; group: number; member: number }
  | { do: 'block'; client: number; member: number; undo: boolean }
  | { do: 'cut'; client: number; bytes: number | undefined }
  | { do: 'restart client'; client: number }
  | { do: 'slow'; client: number; ms: number }
  | { do: 'kill'; node: number; ms: number }
  | { do: 'bus'; faults: BusFaults; ms: number }
  | { do: 'bus away'; ms: number }
  | { do: 'store'; faults: StoreFaults; ms: number }
  | { do: 'store away'; ms: number }
  | { do: 'clock'; node: number; ms: number }
  | { do: 'sweep'; ageMs: number }
)
export type MessageOp = 'read' | 'read all' | 'unread' | 'edit' | 'delete' | 'react' | 'unreact'

export interface Plan {
  seed: number
  nodes: number
  settings: NodeSettings
  users: number[]
  clients: ClientPlan[]
  /** Of each group the members, its owner first. */
  groups: { members: number[]; historyVisible: boolean }[]
  steps: Step[]
}

/** How far apart steps of one moment are. */
const MOMENT_MS = 15

/** When the first step may come, and the last. */
export const BEGIN_MS = 400
const MOST_MS = 4000

type Draw = ReturnType<typeof createDraw>

function createDraw(seed: number) {
  const random = createRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  return {
    random,
    below,
    chance: (probability: number): boolean => random() < probability,
    pick: <T>(items: readonly T[]): T => items[below(items.length)] as T,
    between: (from: number, to: number): number => from + random() * (to - from),
  }
}

const OPS: readonly MessageOp[] = ['read', 'read', 'read all', 'unread', 'edit', 'delete', 'react', 'react', 'unreact']

/** What a client does. */
function drawAction(draw: Draw, plan: Omit<Plan, 'steps' | 'settings' | 'seed' | 'nodes'>, at: number): Step {
  const client = draw.below(plan.clients.length)
  const kind = draw.random()
  const member = draw.pick(plan.users)
  const group = draw.below(plan.groups.length)
  if (kind < 0.55) {
    const { userId } = plan.clients[client] as ClientPlan
    const to = draw.chance(0.5) ? { group } : { user: draw.pick(plan.users.filter((id) => id !== userId)) }
    return { at, do: 'send', client, to, repeats: draw.chance(0.1) }
  }
  if (kind < 0.8) return { at, do: 'message', client, op: draw.pick(OPS), pick: draw.random() }
  if (kind < 0.87) return { at, do: 'typing', client, pick: draw.random(), typing: draw.chance(0.7) }
  if (kind < 0.97)
    return { at, do: 'group', client, op: draw.pick(['invite', 'invite', 'remove', 'join', 'leave'] as const), group, member }
  return { at, do: 'block', client, member, undo: draw.chance(0.5) }
}

type DrawFault = (draw: Draw, plan: Pick<Plan, 'clients' | 'nodes'>, at: number) => Step

const SWEEP: DrawFault = (draw, _, at) => ({ at, do: 'sweep', ageMs: draw.between(4000, 6000) })

/** What positions are checked against the log for: without them the hints alone have to do. */
const LOSSES: readonly DrawFault[] = [
  (draw, { nodes }, at) => ({ at, do: 'kill', node: draw.below(nodes), ms: draw.between(50, 2000) }),
  (draw, _, at) => ({
    at,
    do: 'bus',
    faults: { lost: draw.random() * 0.5, doubled: draw.random() * 0.3, lateMs: draw.between(1, 300) },
    ms: draw.between(200, 3000),
  }),
  (draw, _, at) => ({ at, do: 'bus away', ms: draw.between(50, 2000) }),
  (draw, _, at) => ({
    at,
    do: 'store',
    faults: {
      refused: draw.random() * 0.2,
      lostAnswer: draw.random() * 0.2,
      stall: draw.random() * 0.3,
      stallMs: draw.between(10, 900),
    },
    ms: draw.between(100, 2000),
  }),
  (draw, _, at) => ({ at, do: 'store away', ms: draw.between(50, 1500) }),
]

/** What goes wrong, as often as it is drawn. */
const FAULTS: readonly DrawFault[] = [
  ...LOSSES,
  (draw, { clients }, at) => ({
    at,
    do: 'cut',
    client: draw.below(clients.length),
    bytes: draw.chance(0.6) ? draw.below(1500) : undefined,
  }),
  (draw, { clients }, at) => ({ at, do: 'cut', client: draw.below(clients.length), bytes: draw.below(300) }),
  (draw, { clients }, at) => ({ at, do: 'restart client', client: draw.below(clients.length) }),
  (draw, { clients }, at) => ({ at, do: 'slow', client: draw.below(clients.length), ms: draw.between(100, 3000) }),
  (draw, { nodes, clients }, at) => {
    // With a clock that is ahead by more than a token is good for, nobody comes in.
    const most = clients.some(({ tokenMs }) => tokenMs !== undefined) ? 300 : 60_000
    return { at, do: 'clock', node: draw.below(nodes), ms: draw.between(-most, most) }
  },
  SWEEP,
]

export function drawPlan(seed: number): Plan {
  const draw = createDraw(Math.imul(seed, 2_654_435_761) ^ 0x5bd1e995)
  const nodes = 1 + draw.below(3)
  const users = Array.from({ length: 2 + draw.below(3) }, (_, index) => index + 1)
  const clients = users.flatMap((userId) =>
    Array.from({ length: draw.chance(0.25) ? 2 : 1 }, (): ClientPlan => {
      const protocol = draw.chance(0.5) ? 'legacy' : 'graphql'
      return { userId, protocol, tokenMs: draw.chance(0.1) ? draw.between(700, 3000) : undefined }
    }),
  )
  const groups = Array.from({ length: 1 + draw.below(2) }, () => {
    const members = users.toSorted(() => draw.random() - 0.5).slice(0, 1 + draw.below(users.length))
    return { members, historyVisible: draw.chance(0.7) }
  })
  // Few of the kinds in one run: more of them hide each other.
  const kinds = FAULTS.filter(() => draw.chance(0.25))
  const settings = {
    resumeLimit: draw.chance(0.2) ? 3 + draw.below(8) : 1000,
    maxBufferedBytes: draw.chance(0.3) ? 1000 + draw.below(3000) : 1_048_576,
    positionCheckMs: draw.between(400, 1500),
    checksPositions: kinds.some((kind) => LOSSES.includes(kind)) || draw.chance(0.5),
    statementTimeoutMs: 1500,
    subscribeMs: draw.chance(0.5) ? 3 : 60,
  }
  // What retention takes has to be old, else it is faster than what heals.
  const length = draw.between(600, MOST_MS) + (kinds.includes(SWEEP) ? 5000 : 0)
  // Much happens at a few moments, so that it meets.
  const moments = Array.from({ length: 1 + draw.below(5) }, () => BEGIN_MS + draw.random() * length)
  const when = (): number =>
    draw.chance(0.5) ? draw.pick(moments) + draw.random() * MOMENT_MS : BEGIN_MS + draw.random() * length
  const actions = Array.from({ length: 5 + draw.below(25) }, () => drawAction(draw, { users, clients, groups }, when()))
  const count = kinds.length === 0 ? 0 : 1 + draw.below(8)
  const faults = Array.from({ length: count }, () => draw.pick(kinds)(draw, { clients, nodes }, when()))
  const steps = [...actions, ...faults].toSorted((a, b) => a.at - b.at)
  return { seed, nodes, settings, users, clients, groups, steps }
}
