/**
 * @typedef {object} Scenario
 * @property {string} id
 * @property {string[]} systems the ids of those that it is for
 * @property {boolean} [isMeasuredOnce] in the first round only: what it counts does not vary
 * @property {(system: import('../systems.js').System, options: Options) => Promise<Measured[]>} measure
 *
 * @typedef {object} Options
 * @property {import('../bench.js').Bench} bench
 * @property {string} label names what is kept of the run
 * @property {number} seconds how long is measured
 *
 * @typedef {object} Measured
 * @property {string} case
 * @property {Record<string, number>} figures
 * @property {{ since: number, until: number }} [span] when it was, for the profile
 */
export {}
