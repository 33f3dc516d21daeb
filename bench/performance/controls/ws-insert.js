import { deliver, pool, rowOf } from './message-table.js'
import { serve } from './ws-server.js'

/** Direct messages: each is stored by one INSERT, then sent to both users. */
const INSERT = 'INSERT INTO control_messages (conversation, sender, content) VALUES ($1, $2, $3) RETURNING id'

const socketsOf = serve(async (frame, user, socket) => {
  const { rows } = await pool.query(INSERT, rowOf(frame, user))
  deliver({ frame, user, socket }, rows[0].id, socketsOf)
})
