/** What the demo's page is told by its server: `/demo/config.json`. */
export interface DemoConfig {
  readonly users: readonly DemoAccount[]
  /** Whether GraphiQL is at /graphql. */
  readonly graphiql: boolean
  /** The newest event: a client that begins now resumes after it. */
  readonly lastEventId: string
  /** Milliseconds since the epoch, by the server's clock. */
  readonly now: number
  /** The texts of the operations that legacy frames become, by name. */
  readonly operations: Readonly<Record<string, string>>
  /** The part of the legacy feed's subscription that each push comes from. */
  readonly events: Readonly<Record<string, string>>
}

/** A user that the page can be, with a token. */
export interface DemoAccount {
  readonly id: string
  readonly name: string
  readonly token: string
}
