/**
 * What the GraphQL examples subscribe to: a variable `$after`, and `id` beside `__typename`, by which `resumable` resumes. With `after: "0"` all
 * that is kept comes first, with null only what is new; an app gives the `cursor` of the query that it shows.
 */
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

/** Shows an event; each comes once. */
export function show(event) {
  if (event.__typename === 'MessageSent') console.log(`${event.message.sender.name}: ${event.message.content}`)
  // An app gives `resumable` an `onIncomplete` that loads its state by a query (docs/resume.md).
  if (event.__typename === 'ResumeIncomplete') console.error('too much was missed: load the history by a query')
}
