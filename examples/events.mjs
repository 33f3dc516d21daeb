/** What the GraphQL examples subscribe to. With `after: "0"` all that is kept comes first; with null only what is new. */
export const EVENTS = `
  subscription Events($after: ID) {
    events(after: $after) {
      __typename
      id
      ... on MessageSent {
        message { content sender { name } }
      }
    }
  }
`

/** Remembers where the client is, and what it has shown: an event that comes again has the same id. */
export function createReader(show) {
  const seen = new Set()
  let cursor = '0'
  return {
    /** The event to resume after. */
    get cursor() {
      return cursor
    },
    read(event) {
      if (event.__typename === 'ResumeIncomplete') return console.error('too much was missed: load the history by a query')
      // Typing and presence have no id: they are not kept.
      if (event.id === null || seen.has(event.id)) return
      seen.add(event.id)
      if (BigInt(event.id) > BigInt(cursor)) cursor = event.id
      if (event.__typename === 'MessageSent') show(`${event.message.sender.name}: ${event.message.content}`)
    },
  }
}
