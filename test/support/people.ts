import type { TestApp, TestUser } from './app.ts'
import type { Data } from './graphql-client.ts'

/** The same keys with what `make` resolves with for each. */
export async function eachOf<K extends string, V, R>(of: Record<K, V>, make: (value: V) => Promise<R>): Promise<Record<K, R>> {
  const made = await Promise.all(Object.entries<V>(of).map(async ([key, value]) => [key, await make(value)] as const))
  return Object.fromEntries(made) as Record<K, R>
}

/** New users of these names, whom no other test knows. */
export async function people<N extends string>(app: TestApp, ...names: N[]): Promise<Record<N, TestUser>> {
  const users = await Promise.all(names.map(async (name) => [name, await app.user(name)] as const))
  return Object.fromEntries(users) as Record<N, TestUser>
}

/** The id of the direct conversation of two. */
export const direct = (a: TestUser, b: TestUser): string => `direct_${Math.min(a.id, b.id)}_${Math.max(a.id, b.id)}`

/** Runs one field of a mutation as the user, over HTTP; resolves with its result. */
export async function run(app: TestApp, user: TestUser, field: string): Promise<Data> {
  const [data] = Object.values((await app.over(user).data(`mutation { ${field} }`)) as Record<string, Data>)
  return data
}

const SAY = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }'

/** Sends a message to a user or to the conversation of a group; resolves with its id. */
export async function say(app: TestApp, from: TestUser, to: TestUser | string, content: string): Promise<number> {
  const target = typeof to === 'string' ? { conversationId: to } : { receiverId: to.id }
  return Number((await app.over(from).data(SAY, { input: { ...target, content } })).sendMessage.id)
}

export interface TestGroup {
  id: number
  conversation: string
}

/** `settings` are fields of CreateGroupInput, as GraphQL. */
export async function createGroup(
  app: TestApp,
  owner: TestUser,
  members: readonly TestUser[],
  settings = '',
): Promise<TestGroup> {
  const ids = members.map(({ id }) => id).join()
  const input = `{ name: "Group", memberIds: [${ids}] ${settings} }`
  const { id, conversation } = await run(app, owner, `createGroup(input: ${input}) { id conversation { id } }`)
  return { id: Number(id), conversation: conversation.id }
}

export const notify = (app: TestApp, to: TestUser, type: string): Promise<Data> =>
  app.admin.data(`mutation { pushSystemNotification(notificationType: "${type}", data: { n: 1 }, userIds: [${to.id}]) }`)
