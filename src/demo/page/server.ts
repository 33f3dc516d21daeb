/** The server that the page came from. */
import type { DemoConfig } from '../config.ts'

const { protocol, host } = location
const sockets = `${protocol === 'https:' ? 'wss:' : 'ws:'}//${host}`
export const LEGACY_URL = `${sockets}/ws/connect`
export const GRAPHQL_URL = `${sockets}/graphql`

let clockOffset = 0
const tokens = new Map<string, string>()

/** The time by the server's clock, in milliseconds since the epoch. */
export const serverNow = (): number => Date.now() + clockOffset

export async function loadConfig(): Promise<DemoConfig> {
  const response = await fetch('/demo/config.json')
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`)
  const config = (await response.json()) as DemoConfig
  clockOffset = config.now - Date.now()
  for (const { id, token } of config.users) tokens.set(id, token)
  return config
}

/** A fresh token, which is good also after the server was started anew with another key. */
export async function freshToken(userId: string): Promise<string> {
  await loadConfig()
  return tokenOf(userId)
}

function tokenOf(userId: string): string {
  const token = tokens.get(userId)
  if (token === undefined) throw new Error('the demo has no such user')
  return token
}

/** Runs an operation as a user over HTTP, as both panes do for what is not live. */
export async function query<T>(userId: string, text: string, variables: Record<string, unknown> = {}): Promise<T> {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${tokenOf(userId)}` },
    body: JSON.stringify({ query: text, variables }),
  })
  const { data, errors } = (await response.json()) as { data?: T; errors?: { message: string }[] }
  if (errors?.[0]) throw new Error(errors[0].message)
  return data as T
}
