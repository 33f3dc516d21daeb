/**
 * A system under test: how its nodes are started, and what its clients do.
 *
 * @typedef {object} System
 * @property {string} name
 * @property {'pubsub' | 'normal'} busConnections the type, as Redis calls it, of the connections over which nodes hear of each other
 * @property {string} entry the script of a node; it listens on PORT and prints its address
 * @property {(cast: Cast) => Record<string, string>} env besides DATABASE_URL, REDIS_URL and JWT_SECRET
 * @property {(databaseUrl: string) => Promise<unknown>} [prepareDatabase] before the nodes start
 * @property {(cast: Cast & { nodes: import('../node.js').ServerNode[] }) => Promise<void>} [prepare] after they have
 * @property {(options: { address: string, userId: number, token: string, newToken: () => string, ledger: import('../ledger.js').Ledger }) => Client} connect
 *
 * @typedef {object} Cast
 * @property {{ id: number, name: string }[]} users
 * @property {{ id: string, isGroup: boolean, members: number[] }[]} conversations
 *
 * @typedef {object} Client
 * @property {Promise<void>} ready connected for the first time
 * @property {(message: { key: string, conversation: Cast['conversations'][number], receiverId: number, content: string }) => Promise<void>} send
 *   resolves when it is acknowledged, rejects when it should be sent again
 * @property {() => Promise<void>} close
 */
export {}
