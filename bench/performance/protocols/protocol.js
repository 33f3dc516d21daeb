/**
 * What the generator says and looks for.
 *
 * @typedef {object} Protocol
 * @property {string} path
 * @property {(token: string) => Record<string, string>} headers of the upgrade
 * @property {(connection: import('../generator/connection.js').Connection, token: string) => Promise<void>} open
 *   from the upgrade until the server has said that the client is known and will receive messages
 * @property {(message: Message) => string} message
 * @property {Buffer} acknowledgement what the answer to a message holds, and no push
 * @property {Buffer[]} failures what a frame holds that says that something went wrong
 *
 * @typedef {object} Message
 * @property {string} conversationId
 * @property {number} [receiverId] of a direct message
 * @property {string} key of the sender's, of 36 characters
 * @property {number} number
 * @property {string} content
 */
export {}
