import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, type TestApp, type TestUser } from '../support/app.ts'
import {
  ascending,
  GRAPHQL_WS,
  LEGACY,
  LEGACY_CAPABLE,
  SSE,
  type ChatClient,
  type Happening,
  type Transport,
} from '../support/chat-client.ts'
import type { Data } from '../support/graphql-client.ts'
import { createGroup, people, type TestGroup } from '../support/people.ts'

/**
 * What a client without capabilities shows agrees with what others show where docs/protocol.md, section 9, requires it: over
 * random histories of a group, with clients that connect and disconnect.
 */

/** A message as a client shows it. */
interface Shown {
  text: string | undefined
  replyTo: number | undefined
  mentions: number[]
  /** The users with each reaction. */
  reactions: Record<string, number[]>
}

/** A client that stores what it received, by the messages' ids. */
class Screen {
  readonly shown = new Map<number, Shown>()
  /** What one that only appends shows: a row for each push of a message. */
  readonly rows: { message: number; text: string | undefined }[] = []
  readonly #seen = new Set<string>()

  take(happenings: readonly Happening[]): void {
    for (const happening of happenings) {
      // A replay may repeat earlier events.
      if (happening.id !== null && this.#seen.has(happening.id)) continue
      this.#seen.add(String(happening.id))
      this.#apply(happening)
    }
  }

  #apply({ kind, message = 0, text, replyTo, mentions = [], reaction = '', users = [] }: Happening): void {
    const known = this.shown.get(message)
    if (kind === 'message_sent' || kind === 'message_edited') {
      // GraphQL replays a message that is deleted by now without its content; its deletion follows.
      this.shown.set(message, { text, replyTo, mentions, reactions: known?.reactions ?? {} })
      if (kind === 'message_sent') this.rows.push({ message, text })
    } else if (kind === 'message_deleted') this.shown.delete(message)
    else if (known && users.length > 0) known.reactions[reaction] = users
    else if (known && kind === 'reaction_removed') delete known.reactions[reaction]
  }
}

const WATCHERS = {
  old: LEGACY,
  capable: LEGACY_CAPABLE,
  socket: GRAPHQL_WS,
  stream: SSE,
} satisfies Record<string, Transport>
type Watcher = keyof typeof WATCHERS

interface Step {
  kind: 'send' | 'edit' | 'delete' | 'react' | 'unreact' | 'push' | 'leave' | 'return'
  /** Which of the two writers, which message, which watcher: taken modulo how many there are. */
  who: number
  which: number
  text: string
  replies: boolean
  mentions: boolean
}
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(
    ...(['send', 'send', 'send', 'edit', 'edit', 'delete', 'react', 'unreact', 'push', 'leave', 'return'] as const),
  ),
  who: fc.nat(1),
  which: fc.nat(11),
  text: fc.constantFrom('a', 'b', 'c', '好', '😀'),
  replies: fc.boolean(),
  mentions: fc.boolean(),
})

let app: TestApp
beforeAll(async () => {
  app = await sharedApp()
})
afterAll(() => app.stop())

/** What everybody would see who loads the history now. */
async function stateOf(user: TestUser, { conversation }: TestGroup): Promise<Map<number, Shown>> {
  const { conversation: loaded } = await app.over(user).data(
    `query ($id: ID!) { conversation(id: $id) { messages(first: 100) { edges { node {
      id content deletedAt replyToId mentions { id } reactions { reaction userIds } } } } } }`,
    { id: conversation },
  )
  const nodes = loaded.messages.edges.map(({ node }: Data) => node)
  return new Map(
    nodes
      .filter(({ deletedAt }: Data) => deletedAt === null)
      .map(({ id, content, replyToId, mentions, reactions }: Data): [number, Shown] => [
        Number(id),
        {
          text: content,
          replyTo: replyToId === null ? undefined : Number(replyToId),
          mentions: ascending(mentions.map((mentioned: Data) => Number(mentioned.id))),
          reactions: Object.fromEntries(reactions.map((each: Data) => [each.reaction, each.userIds.map(Number)])),
        },
      ]),
  )
}

async function live(steps: readonly Step[]): Promise<void> {
  const { ann, bob, cat } = await people(app, 'ann', 'bob', 'cat')
  const group = await createGroup(app, ann, [bob, cat])
  const writers = [ann, bob]
  const names = Object.keys(WATCHERS) as Watcher[]
  const screens = Object.fromEntries(names.map((name) => [name, new Screen()])) as Record<Watcher, Screen>
  const connected = new Map<Watcher, ChatClient>()
  const cursors = new Map<Watcher, string>(names.map((name) => [name, '0']))
  const enter = async (name: Watcher): Promise<void> => {
    if (!connected.has(name)) connected.set(name, await WATCHERS[name].connect(app, cat, cursors.get(name) ?? '0'))
  }
  const leave = async (name: Watcher): Promise<void> => {
    const client = connected.get(name)
    if (!client) return
    screens[name].take(await client.settle())
    cursors.set(name, client.cursor())
    client.cut()
    connected.delete(name)
  }
  for (const name of names) await enter(name)

  const messages: { id: number; sender: TestUser }[] = []
  /** Every text that a message ever had. */
  const versions = new Map<number, string[]>()
  const deleted = new Set<number>()
  const over = (user: TestUser, mutation: string, variables: Data): Promise<{ data?: Data }> =>
    app.over(user).run(`mutation ${mutation}`, variables) as Promise<{ data?: Data }>

  for (const { kind, who, which, text, replies, mentions } of steps) {
    const user = writers[who] as TestUser
    const about = messages[which % Math.max(1, messages.length)]
    const name = names[which % names.length] as Watcher
    if (kind === 'leave') await leave(name)
    else if (kind === 'return') await enter(name)
    else if (kind === 'send') {
      const { data } = await over(user, '($input: SendMessageInput!) { sendMessage(input: $input) { id } }', {
        input: {
          conversationId: group.conversation,
          content: text,
          ...(replies && about && !deleted.has(about.id) ? { replyToId: about.id } : {}),
          ...(mentions ? { mentionIds: [cat.id, user.id] } : {}),
        },
      })
      const id = Number(data?.sendMessage.id)
      messages.push({ id, sender: user })
      versions.set(id, [text])
    } else if (!about) continue
    else if (kind === 'edit') {
      const input = { messageId: about.id, content: text, ...(mentions ? { mentionIds: [] } : {}) }
      const { data } = await over(about.sender, '($input: EditMessageInput!) { editMessage(input: $input) { id } }', { input })
      if (data?.editMessage) versions.get(about.id)?.push(text)
    } else if (kind === 'delete') {
      await over(about.sender, '($id: ID!) { deleteMessage(messageId: $id) { id } }', { id: about.id })
      deleted.add(about.id)
    } else if (kind === 'push') {
      await app.admin.run('mutation ($id: ID!) { pushNewMessage(messageId: $id, isGroup: true) }', { id: about.id })
    } else {
      const field = kind === 'react' ? 'addReaction' : 'removeReaction'
      await over(user, `($id: ID!) { ${field}(messageId: $id, reaction: "👍") { count } }`, { id: about.id })
    }
  }

  for (const name of names) await enter(name)
  for (const [name, client] of connected) screens[name].take(await client.settle())
  const state = await stateOf(cat, group)
  expect(new Set(state.keys())).toEqual(new Set(messages.map(({ id }) => id).filter((id) => !deleted.has(id))))

  // Clients that receive everything show the same, over every transport and however often they were away.
  for (const name of ['capable', 'socket', 'stream'] as const) expect([name, screens[name].shown]).toEqual([name, state])

  const { shown, rows } = screens.old
  for (const [id, { text }] of shown) {
    // A client that received no edit shows the message as it first arrived.
    expect(versions.get(id)).toContain(text)
    if (versions.get(id)?.length === 1) expect(text).toBe(versions.get(id)?.[0])
    // Of the rows of one that only appends, the last is what the other one shows.
    expect(rows.findLast(({ message }) => message === id)?.text).toBe(text)
  }
  for (const id of state.keys()) expect(shown.has(id)).toBe(true)
  for (const [id, { reactions }] of state) expect(shown.get(id)?.reactions).toEqual(reactions)
  for (const { message, text } of rows) expect(versions.get(message)).toContain(text)

  // A client without capabilities that comes new sees what everybody sees, but for what answers what and who is mentioned.
  const fresh = await LEGACY.connect(app, cat, '0')
  const late = new Screen()
  late.take(await fresh.settle())
  const plain = new Map([...state].map(([id, each]) => [id, { ...each, replyTo: undefined, mentions: [] }]))
  expect(late.shown).toEqual(plain)
  for (const client of [...connected.values(), fresh]) client.cut()
}

describe('over random histories', () => {
  test('clients of both protocols agree where the projection says so', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), live), { numRuns: 12, endOnFailure: true })
  })
})
