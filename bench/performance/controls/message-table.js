import pg from 'pg'
import { answerTo, directConversation, pushOf } from './push.js'

/** Where the loops that store messages put them. In their favour, the table has no keys but its own. */
export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
await pool.query(`CREATE TABLE control_messages (
  id serial PRIMARY KEY,
  conversation text NOT NULL,
  sender integer NOT NULL,
  content text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
)`)

/**
 * The columns of a direct message.
 *
 * @param {{ data: { receiver_id: number, content: string } }} frame the request
 * @param {{ id: number }} user the sender
 * @returns {[conversation: string, sender: number, content: string]}
 */
export const rowOf = ({ data: { receiver_id: receiverId, content } }, user) => [
  directConversation(user.id, receiverId),
  user.id,
  content,
]

/** Sends a direct message that was stored as `id` to both users, and answers its sender. */
export function deliver({ frame, user, socket }, id, socketsOf) {
  const text = pushOf(frame, user, id)
  for (const userId of [user.id, frame.data.receiver_id]) {
    for (const each of socketsOf.get(userId) ?? []) each.send(text)
  }
  socket.send(answerTo(frame))
}
