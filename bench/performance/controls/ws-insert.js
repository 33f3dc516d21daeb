import pg from 'pg'
import { answerTo, directConversation, pushOf } from './push.js'
import { serve } from './ws-server.js'

/** Direct messages: each is stored by one INSERT, then sent to both users. In its favour, its table has no keys but its own. */
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
await pool.query(`CREATE TABLE control_messages (
  id serial PRIMARY KEY,
  conversation text NOT NULL,
  sender integer NOT NULL,
  content text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
)`)

const INSERT = 'INSERT INTO control_messages (conversation, sender, content) VALUES ($1, $2, $3) RETURNING id'

const socketsOf = serve(async (frame, user, socket) => {
  const { receiver_id: receiverId, content } = frame.data
  const { rows } = await pool.query(INSERT, [directConversation(user.id, receiverId), user.id, content])
  const text = pushOf(frame, user, rows[0].id)
  for (const id of [user.id, receiverId]) {
    for (const each of socketsOf.get(id) ?? []) each.send(text)
  }
  socket.send(answerTo(frame))
})
