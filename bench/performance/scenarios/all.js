import { compression } from './compression.js'
import { connect } from './connect.js'
import { direct } from './direct.js'
import { fanOut } from './fan-out.js'
import { idle } from './idle.js'
import { longGroups } from './long-groups.js'
import { statements } from './statements.js'
import { workers } from './workers.js'

const ONE_NODE = ['parley-legacy', 'parley-graphql', 'ws', 'ws-framed', 'bun', 'socketio', 'yoga']
const TWO_NODES = ['parley-legacy', 'parley-graphql', 'ws', 'socketio', 'yoga']

/** @type {import('./scenario.js').Scenario[]} */
export const scenarios = [
  fanOut(50, { systems: ONE_NODE }),
  fanOut(500, { systems: ONE_NODE }),
  fanOut(5000, { systems: ONE_NODE }),
  fanOut(500, { nodes: 2, systems: TWO_NODES }),
  compression,
  direct,
  connect,
  idle,
  longGroups,
  statements,
  workers,
]
