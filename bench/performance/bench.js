/**
 * What all runs share.
 *
 * @typedef {object} Bench
 * @property {import('../support/services.js').OwnPostgres} postgres
 * @property {string} world the URL of the database that runs start from copies of
 * @property {{ generator: number, server: number }} cores
 * @property {string} logFolder
 * @property {string[]} nodeOptions what all servers are started with
 * @property {import('./profiles.js').Profiles} [profiles]
 */
export {}
