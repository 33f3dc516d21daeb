import jwt from 'jsonwebtoken'
import pg from 'pg'

/**
 * What both controls need besides their own stack, as small as it can be, and in their favour: members are known without a
 * look at the database, and a message sent twice with the same key is stored once.
 */
const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  connectionTimeoutMillis: 3000,
  statement_timeout: 4000,
})
// Else a connection that breaks while it is idle ends the process.
pool.on('error', (error) => console.error('PostgreSQL:', error.message))

/** @type {{ id: string, members: number[] }[]} */
const conversations = JSON.parse(process.env.CONVERSATIONS)

export const conversationsOf = (userId) => conversations.filter(({ members }) => members.includes(userId)).map(({ id }) => id)

/** Stores a message; resolves with it, or with undefined where it was stored before. */
export async function insertMessage({ key, conversation, sender, content }) {
  if (!conversationsOf(sender).includes(conversation)) throw new Error('not a member')
  const { rows } = await pool.query(
    `INSERT INTO messages (key, conversation, sender, content) VALUES ($1, $2, $3, $4)
     ON CONFLICT (key) DO NOTHING RETURNING id, key, conversation, sender, content`,
    [key, conversation, sender, content],
  )
  return rows[0]
}

/** The messages of a user's conversations after this one. */
export async function messagesAfter(userId, id) {
  const { rows } = await pool.query(
    `SELECT id, key, conversation, sender, content FROM messages WHERE conversation = ANY($1) AND id > $2 ORDER BY id`,
    [conversationsOf(userId), id],
  )
  return rows
}

/** The user's id; throws where the token is not good. */
export const verify = (token) => Number(jwt.verify(token, process.env.JWT_SECRET, { algorithms: ['HS256'] }).sub)
