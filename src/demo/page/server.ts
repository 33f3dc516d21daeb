/** The server that served the page. */
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

/** A fresh token, valid even after the server was restarted with another key. */
export async function freshToken(userId: string): Promise<string> {
  await loadConfig()
  return tokenOf(userId)
}

function tokenOf(userId: string): string {
  const token = tokens.get(userId)
  if (token === undefined) throw new Error('the demo has no such user')
  return token
}

const post = (userId: string, body: object, more: RequestInit & { accept: string }): Promise<Response> =>
  fetch('/graphql', {
    ...more,
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: more.accept, Authorization: `Bearer ${tokenOf(userId)}` },
    body: JSON.stringify(body),
  })

/** Runs an operation as a user over HTTP, as both panes do for everything that is not live. */
export async function query<T>(userId: string, text: string, variables: Record<string, unknown> = {}): Promise<T> {
  const response = await post(userId, { query: text, variables }, { accept: 'application/json' })
  const { data, errors } = (await response.json()) as { data?: T; errors?: { message: string }[] }
  if (errors?.[0]) throw new Error(errors[0].message)
  return data as T
}

/** One kept event as a user's feed tells it, by a resume after the one before; undefined where it is not kept any more. */
export async function loadEvent(userId: string, feed: string, id: string): Promise<unknown> {
  const enough = new AbortController()
  const after = String(BigInt(id) - 1n)
  const accept = 'text/event-stream'
  const response = await post(userId, { query: feed, variables: { after } }, { accept, signal: enough.signal })
  try {
    let text = ''
    for await (const piece of textOf(response)) {
      text += piece
      const data = /^data: (\{.*\})\n/m.exec(text)?.[1]
      if (data === undefined) continue
      const { events } = (JSON.parse(data) as { data?: { events?: { id?: string } } }).data ?? {}
      return events?.id === id ? events : undefined
    }
    return undefined
  } finally {
    enough.abort()
  }
}

/** Not every browser can iterate a stream. */
async function* textOf({ body }: Response): AsyncGenerator<string> {
  const reader = (body as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(new TextDecoderStream()).getReader()
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value
}
