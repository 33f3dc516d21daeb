/** What the controls store. */
export const TABLE = `CREATE TABLE messages (
  id serial PRIMARY KEY,
  key text NOT NULL UNIQUE,
  conversation text NOT NULL,
  sender integer NOT NULL,
  content text NOT NULL
)`
