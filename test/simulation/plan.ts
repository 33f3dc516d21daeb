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
  /** Whether its subscription asks for what the event does not hold, so that each result is waited for. */
  asksMore: boolean
}

/**
 * `pick` and `conversation` in [0, 1) choose among what there is when the step comes; where `anyones`, also among what the user should
 * not see.
 */
export type Step = { at: number } & (
  | { do: 'send'; client: number; to: { user: number } | { group: number }; repeats: boolean }
  | { do: 'message'; client: number; op: MessageOp; conversation: number; pick: number; anyones: boolean }
  | { do: 'typing'; client: number; pick: number; typing: boolean }
  | { do: 'group'; client: number; op: 'invite' | 'remove' | 'join' | 'leave'; group: number; member: number }
  | { do: 'block'; client: number; member: number; undo: boolean }
  | { do: 'cut'; client: number; bytes: number | undefined }
  | { do: 'restart client'; client: number; ms: number; forgets: boolean }
  | { do: 'quit'; client: number }
  | { do: 'resume again'; client: number }
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
  /** How long the statement that sends may take between its snapshot and its locks. */
  sendMs: number
}

/** How far apart the steps of one moment are at most, in one run or another. */
const MOMENT_MS = [5, 15, 60, 150] as const

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

type ActionName = MessageOp | 'send' | 'typing' | 'invite' | 'remove' | 'join' | 'leave' | 'block'

/** How often clients do what. */
const ACTIONS: readonly (readonly [ActionName, number])[] = [
  ['send', 55],
  ['read', 6],
  ['read all', 6],
  ['unread', 3],
  ['edit', 3],
  ['delete', 3],
  ['react', 6],
  ['unreact', 3],
  ['typing', 7],
  ['invite', 4],
  ['remove', 3],
  ['join', 3],
  ['leave', 3],
  ['block', 3],
]

/** Whom and what a run is about. */
interface Focus {
  weights: readonly (readonly [ActionName, number])[]
  /** The user to whom most happens; undefined: to all alike. */
  user: number | undefined
  /** How often a send repeats an earlier one. */
  repeats: number
}

/** In every other run some things are not done at all, and others often; in every other run most happens to one user. */
function drawFocus(draw: Draw, users: readonly number[]): Focus {
  const isUneven = draw.chance(0.5)
  const weigh = (name: ActionName, weight: number): number => {
    if (!isUneven) return weight
    return name !== 'send' && draw.chance(0.5) ? 0 : weight * (1 + draw.random() * (name === 'send' ? 0 : 9))
  }
  return {
    weights: ACTIONS.map(([name, weight]) => [name, weigh(name, weight)]),
    user: draw.chance(0.5) ? draw.pick(users) : undefined,
    repeats: draw.chance(0.2) ? 0.4 : 0.1,
  }
}

type Cast = Pick<Plan, 'users' | 'clients' | 'groups' | 'nodes'> & { focus: Focus }

/** Requests that the legacy protocol does not have. */
const GRAPHQL_ONLY: ReadonlySet<ActionName> = new Set(['unread', 'invite', 'remove', 'join', 'leave', 'block'])

/** When several things happen, and what they are about, so that they meet. */
interface Moment {
  at: number
  name: ActionName
  member: number
  group: number
  conversation: number
}

function drawMoment(draw: Draw, { users, groups, focus }: Cast, at: number, who = focus.user): Moment {
  const member = who !== undefined && draw.chance(0.6) ? who : draw.pick(users)
  return { at, name: drawName(draw, focus), member, group: draw.below(groups.length), conversation: draw.random() }
}

/** A client: more often one of the user whom the run is about. */
function drawClient({ below, chance, pick }: Draw, { clients, focus }: Cast): number {
  const own = clients.flatMap(({ userId }, index) => (userId === focus.user ? index : []))
  return own.length > 0 && chance(0.5) ? pick(own) : below(clients.length)
}

/** A client that can do it: mostly one whose user may. */
function drawActor(draw: Draw, cast: Cast, { name, member, group }: Moment): number {
  const { clients, groups } = cast
  const mayDo = { invite: groups[group]?.members[0], remove: groups[group]?.members[0], join: member, leave: member }
  const able = clients.flatMap(({ protocol }, index) => (protocol === 'graphql' || !GRAPHQL_ONLY.has(name) ? index : []))
  const wanted = name in mayDo ? mayDo[name as keyof typeof mayDo] : undefined
  const entitled = able.filter((index) => clients[index]?.userId === wanted)
  if (entitled.length > 0 && draw.chance(0.8)) return draw.pick(entitled)
  const client = drawClient(draw, cast)
  return able.length === 0 || able.includes(client) ? client : draw.pick(able)
}

function drawName({ random }: Draw, { weights }: Focus): ActionName {
  let left = random() * weights.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [name, weight] of weights) {
    left -= weight
    if (left < 0) return name
  }
  return 'send'
}

/** What a client does: often what others do at the same moment, to the same. */
function drawAction(draw: Draw, cast: Cast, at: number, moment: Moment | undefined): Step {
  const { users, clients, focus } = cast
  const about = drawMoment(draw, cast, at)
  if (moment) {
    if (draw.chance(0.3)) about.name = moment.name
    if (draw.chance(0.7)) about.member = moment.member
    if (draw.chance(0.7)) about.group = moment.group
    if (draw.chance(0.7)) about.conversation = moment.conversation
  }
  const { name, member, group, conversation } = about
  const client = drawActor(draw, cast, about)
  const { userId } = clients[client] as ClientPlan
  switch (name) {
    case 'send': {
      const to = draw.chance(0.5) ? { group } : { user: draw.pick(users.filter((id) => id !== userId)) }
      return { at, do: 'send', client, to, repeats: draw.chance(focus.repeats) }
    }
    case 'typing':
      return { at, do: 'typing', client, pick: draw.random(), typing: draw.chance(0.7) }
    case 'invite':
    case 'remove':
    case 'join':
    case 'leave':
      return { at, do: 'group', client, op: name, group, member }
    case 'block':
      return { at, do: 'block', client, member, undo: draw.chance(0.5) }
    default:
      return { at, do: 'message', client, op: name, conversation, pick: draw.random(), anyones: draw.chance(0.1) }
  }
}

type DrawFault = (draw: Draw, cast: Cast, at: number) => Step

/** What it takes has to be old, else it is faster than what heals: so it comes late. */
const SWEEP: DrawFault = (draw, _, at) => ({ at: at / 2 + 4500, do: 'sweep', ageMs: draw.between(4000, 6000) })

/** Long enough for its user to be shown offline; where `isLong`, for retention to take what it missed. */
const away = (draw: Draw, cast: Cast, at: number, isLong: boolean): Step => {
  const ms = draw.between(0, draw.chance(0.5) ? 500 : 7000)
  const client = drawClient(draw, cast)
  return { at, do: 'restart client', client, ms: isLong ? 4500 + ms * 0.7 : ms, forgets: draw.chance(0.1) }
}
const AWAY: DrawFault = (draw, cast, at) => away(draw, cast, at, false)
const LONG_AWAY: DrawFault = (draw, cast, at) => away(draw, cast, at, true)

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

const SLOW: DrawFault = (draw, cast, at) => ({ at, do: 'slow', client: drawClient(draw, cast), ms: draw.between(100, 3000) })

/** What goes wrong, as often as it is drawn. */
const FAULTS: readonly DrawFault[] = [
  ...LOSSES,
  // Nothing is lost, so no position has to be checked.
  (draw, _, at) => ({
    at,
    do: 'bus',
    faults: { lost: 0, doubled: draw.random() * 0.3, lateMs: draw.between(5, 300) },
    ms: draw.between(300, 4000),
  }),
  (draw, cast, at) => ({ at, do: 'cut', client: drawClient(draw, cast), bytes: draw.chance(0.6) ? draw.below(1500) : undefined }),
  (draw, cast, at) => ({ at, do: 'cut', client: drawClient(draw, cast), bytes: draw.below(300) }),
  (draw, cast, at) => ({ at, do: 'restart client', client: drawClient(draw, cast), ms: 0, forgets: draw.chance(0.3) }),
  AWAY,
  (draw, cast, at) => ({ at, do: 'quit', client: drawClient(draw, cast) }),
  (draw, cast, at) => ({ at, do: 'resume again', client: drawClient(draw, cast) }),
  SLOW,
  (draw, { nodes, clients }, at) => {
    // With a clock that is ahead by more than a token is good for, nobody comes in.
    const most = clients.some(({ tokenMs }) => tokenMs !== undefined) ? 300 : 60_000
    return { at, do: 'clock', node: draw.below(nodes), ms: draw.between(-most, most) }
  },
  SWEEP,
]

function drawClients(draw: Draw, users: readonly number[], focus: Focus): ClientPlan[] {
  return users.flatMap((userId) =>
    Array.from({ length: draw.chance(userId === focus.user ? 0.7 : 0.25) ? 2 : 1 }, (): ClientPlan => {
      const protocol = draw.chance(0.5) ? 'legacy' : 'graphql'
      const tokenMs = draw.chance(0.1) ? draw.between(700, 3000) : undefined
      return { userId, protocol, tokenMs, asksMore: draw.chance(0.3) }
    }),
  )
}

function drawSettings(draw: Draw, kinds: readonly DrawFault[]): Omit<NodeSettings, 'compiles'> {
  // With more room everything that is written in a run fits, though nobody reads it.
  const isNarrow = draw.chance(kinds.includes(SLOW) ? 0.7 : 0.15)
  return {
    resumeLimit: draw.chance(0.2) ? 3 + draw.below(8) : 1000,
    maxBufferedBytes: isNarrow ? 1000 + draw.below(3000) : 1_048_576,
    windowBytes: isNarrow ? 300 + draw.below(2000) : 16_384,
    silence: draw.pick([0.1, 0.1, 0.7]),
    positionCheckMs: draw.between(400, 1500),
    checksPositions: kinds.some((kind) => LOSSES.includes(kind)) || draw.chance(0.5),
    statementTimeoutMs: 1500,
    subscribeMs: draw.pick([3, 3, 60, 300]),
  }
}

/** In some runs both clients of a user do the same at the same time: a send with one key, or things of different messages. */
function drawEchoes(draw: Draw, { clients, focus }: Cast, actions: readonly Step[]): Step[] {
  if (focus.user === undefined || !draw.chance(0.3)) return []
  const own = clients.flatMap(({ userId }, index) => (userId === focus.user ? index : []))
  return actions.flatMap((step): Step[] => {
    if (!('client' in step) || !own.includes(step.client) || draw.chance(0.5)) return []
    const echo = { ...step, client: draw.pick(own), at: step.at + draw.random() * 5 }
    if (echo.do === 'send') return [{ ...echo, repeats: true }]
    return [echo.do === 'message' ? { ...echo, pick: draw.random() } : echo]
  })
}

/** In some runs both clients of a user lose their connections at about the same time, as those that share a network do. */
function drawSharedLosses(draw: Draw, { clients, focus }: Cast, faults: readonly Step[]): Step[] {
  if (focus.user === undefined || !draw.chance(0.3)) return []
  return faults.flatMap((step): Step[] => {
    if ((step.do !== 'cut' && step.do !== 'restart client') || clients[step.client]?.userId !== focus.user) return []
    const other = clients.findIndex(({ userId }, index) => userId === focus.user && index !== step.client)
    return other < 0 ? [] : [{ ...step, client: other, at: step.at + draw.random() * draw.pick([5, 300]) }]
  })
}

/** About when a client is back that loses its connection by this step. */
function drawReturns(draw: Draw, cast: Cast, steps: readonly Step[]): Moment[] {
  return steps.flatMap((step) => {
    if (step.do !== 'restart client' && step.do !== 'cut') return []
    const at = step.do === 'cut' ? step.at + draw.between(200, 1000) : step.at + step.ms
    return [drawMoment(draw, cast, at, cast.clients[step.client]?.userId)]
  })
}

export function drawPlan(seed: number): Plan {
  const draw = createDraw(Math.imul(seed, 2_654_435_761) ^ 0x5bd1e995)
  const nodes = 1 + draw.below(3)
  const users = Array.from({ length: 2 + draw.below(3) }, (_, index) => index + 1)
  const focus = drawFocus(draw, users)
  const clients = drawClients(draw, users, focus)
  const groups = Array.from({ length: 1 + draw.below(2) }, () => {
    const members = users.toSorted(() => draw.random() - 0.5).slice(0, 1 + draw.below(users.length))
    return { members, historyVisible: draw.chance(0.6) }
  })
  // Few of the kinds in one run: more of them hide each other.
  const drawn = FAULTS.filter(() => draw.chance(0.2))
  const kinds = drawn.includes(SWEEP) ? [...drawn.filter((kind) => kind !== AWAY), LONG_AWAY] : drawn
  const settings = drawSettings(draw, kinds)
  const length = draw.between(600, MOST_MS) + (kinds.includes(SWEEP) ? 5000 : 0)
  const cast = { users, clients, groups, nodes, focus }
  // Much happens at a few moments, so that it meets.
  const moments = Array.from({ length: 1 + draw.below(5) }, () => drawMoment(draw, cast, BEGIN_MS + draw.random() * length))
  const momentMs = draw.pick(MOMENT_MS)
  const share = draw.pick([0.5, 0.9])
  const at = (moment: Moment | undefined): number =>
    moment ? moment.at + draw.random() * momentMs : BEGIN_MS + draw.random() * length
  const drawAt = (among: readonly Moment[]): Moment | undefined => (draw.chance(share) ? draw.pick(among) : undefined)
  const count = kinds.length === 0 ? 0 : 1 + draw.below(8)
  const faults = Array.from({ length: count }, () => draw.pick(kinds)(draw, cast, at(drawAt(moments))))
  const losses = drawSharedLosses(draw, cast, faults)
  // In every other run also while clients come back: what they missed meets what is new, and memberships change while they are read.
  const returns = draw.chance(0.5) ? drawReturns(draw, cast, [...faults, ...losses]) : []
  const actions = Array.from({ length: 5 + draw.below(25) }, () => {
    const moment = drawAt([...moments, ...returns])
    return drawAction(draw, cast, at(moment), moment)
  })
  const steps = [...actions, ...faults, ...losses, ...drawEchoes(draw, cast, actions)].toSorted((a, b) => a.at - b.at)
  const sendMs = draw.chance(0.25) ? 10 : 0
  // Drawn last, so that it changes nothing else of a seed.
  const compiles = draw.chance(0.5)
  return { seed, nodes, settings: { ...settings, compiles }, users, clients, groups, steps, sendMs }
}
