/** The configuration of the demo's page: `/demo/config.json`. */
export interface DemoConfig {
  readonly users: readonly DemoAccount[]
  /** Whether GraphiQL is at /graphql. */
  readonly graphiql: boolean
  /** The newest event: a new client resumes after it. */
  readonly lastEventId: string
  /** Milliseconds since the epoch, by the server's clock. */
  readonly now: number
  /** The documents of the operations that legacy frames become, by name. */
  readonly operations: Readonly<Record<string, string>>
  /** The part of the legacy feed's subscription that each push comes from. */
  readonly events: Readonly<Record<string, string>>
}

/** A user that the page can act as, with a token. */
export interface DemoAccount {
  readonly id: string
  readonly name: string
  readonly token: string
}
