import { answers } from './answers.js'
import { crowds } from './crowds.js'
import { documents } from './documents.js'
import { frames } from './frames.js'
import { http } from './http.js'
import { inputs } from './inputs.js'
import { lists } from './lists.js'
import { locks } from './locks.js'
import { newer } from './newer.js'
import { openings } from './openings.js'
import { parts } from './parts.js'
import { queues } from './queues.js'
import { reads } from './reads.js'
import { replays } from './replays.js'
import { subscriptions } from './subscriptions.js'
import { writes } from './writes.js'

/**
 * One thing that a hostile user does. Attacks are chosen by their ids, or by the letter that these begin with.
 *
 * @typedef {object} Attack
 * @property {string} id
 * @property {string} title
 * @property {number} [minSeconds] how long it takes at least
 * @property {Record<string, string>} [env] settings of the server beside the defaults
 * @property {boolean} [isBurst] one burst on a server that has not seen the like: others may wait a bit longer
 * @property {(attacker: import('../attacker.js').Attacker) => Promise<unknown>} [prepare] what has to be there before; not measured
 * @property {(attacker: import('../attacker.js').Attacker, prepared: any) => Promise<void>} run
 */

/** @type {Attack[]} */
export const attacks = [
  { id: 'none', title: 'nothing (control)', run: async () => undefined },
  ...reads,
  ...documents,
  ...frames,
  ...http,
  ...subscriptions,
  ...replays,
  ...inputs,
  ...answers,
  ...writes,
  ...newer,
  ...queues,
  ...lists,
  ...openings,
  ...crowds,
  ...parts,
  ...locks,
]

export const findAttack = (id) => attacks.find((attack) => attack.id === id)
