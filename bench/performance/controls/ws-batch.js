import { deliver, pool, rowOf } from './message-table.js'
import { serve } from './ws-server.js'

/** Direct messages: what comes while an INSERT runs is stored by the next one, all at once, then sent to both users. */
const INSERT = {
  name: 'insert',
  text: `INSERT INTO control_messages (conversation, sender, content)
    SELECT * FROM unnest($1::text[], $2::int[], $3::text[]) RETURNING id`,
}
let waiting = []
let isRunning = false

const socketsOf = serve((frame, user, socket) => {
  waiting.push({ frame, user, socket })
  if (!isRunning) void store()
})

async function store() {
  isRunning = true
  // What one turn of the event loop brings goes together.
  await new Promise(setImmediate)
  while (waiting.length > 0) {
    const batch = waiting
    waiting = []
    const rows = batch.map(({ frame, user }) => rowOf(frame, user))
    const columns = [0, 1, 2].map((column) => rows.map((row) => row[column]))
    const stored = await pool.query({ ...INSERT, values: columns })
    batch.forEach((message, index) => deliver(message, stored.rows[index].id, socketsOf))
  }
  isRunning = false
}
