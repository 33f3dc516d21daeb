import { badInput, notFound } from '../../errors.ts'
import { requireIntId } from '../../ids.ts'
import { problemWithText } from '../../limits.ts'
import type { OperationContext } from '../context.ts'
import type { QueryResolvers } from '../generated/resolvers.ts'
import { decodeCursor, isId, isUserId, pageSize, toPage } from '../pagination.ts'
import { requireAdmin } from './admins.ts'
import { conversationPage } from './conversation-page.ts'

/** A search text; undefined if it is blank. Throws BAD_USER_INPUT for characters that no name contains. */
function searchText(search: string | null | undefined): string | undefined {
  if (search == null || search.trim() === '') return undefined
  const problem = problemWithText(search, 'search', 1, 100)
  if (problem !== null) throw badInput(problem)
  return search
}

/** A page of rows by their ids. */
const byId = <R extends { id: number }>(kind: string, rows: readonly R[], size: number, after: string | null | undefined) =>
  toPage(
    kind,
    rows,
    size,
    after,
    ({ id }) => id,
    (row) => row,
  )

const DAYS_LIMIT = 366

type Directory = OperationContext['chat']['reads']['directory']
type Filter = Parameters<Directory>[0]
type UserRow = Awaited<ReturnType<Directory>>[number]

/** How many ids one statement looks up, and how many matches of a name it reads. */
const ROWS_AT_ONCE = 1000

/** A page of the directory, read in as many steps as needed if only online or only offline users are wanted. */
async function directoryPage(
  { chat }: OperationContext,
  filter: Filter & { online: boolean | undefined },
  after: number,
  limit: number,
) {
  const { presence, reads } = chat
  const { online, ...rest } = filter
  if (online === undefined) return await reads.directory(rest, after, limit)
  if (!online) {
    return await filteredPage(reads.directory, rest, { after, limit, step: limit }, async (rows) => {
      const here = await presence.online(rows.map(({ id }) => id))
      return rows.filter(({ id }) => !here.has(id))
    })
  }
  const ids = (await presence.everyone()).filter((id) => id > after).toSorted((a, b) => a - b)
  const found: UserRow[] = []
  for (let start = 0; start < ids.length && found.length < limit; start += ROWS_AT_ONCE) {
    const missing = limit - found.length
    // A name that few of the first have is rare: its index finds the others sooner than looking at everybody who is online.
    if (start > 0 && rest.search !== undefined) {
      const here = new Set(ids)
      const range = { after: ids[start - 1] as number, limit: missing, step: ROWS_AT_ONCE }
      return [...found, ...(await filteredPage(reads.directory, rest, range, (rows) => rows.filter(({ id }) => here.has(id))))]
    }
    found.push(...(await reads.directory({ ...rest, ids: ids.slice(start, start + ROWS_AT_ONCE) }, after, missing)))
  }
  return found
}

/** The first `limit` rows above `after` that `keep` leaves, of as many as it takes, `step` in a statement. */
async function filteredPage(
  directory: Directory,
  filter: Filter,
  { after, limit, step }: { after: number; limit: number; step: number },
  keep: (rows: UserRow[]) => UserRow[] | Promise<UserRow[]>,
): Promise<UserRow[]> {
  const found: UserRow[] = []
  for (let last = after; ;) {
    const rows = await directory(filter, last, step)
    found.push(...(await keep(rows)))
    if (found.length >= limit || rows.length < step) return found.slice(0, limit)
    last = rows.at(-1)?.id ?? last
  }
}

/** Queries for admins only. */
export const adminQueries = {
  cluster: async (_root, _args, context) => {
    requireAdmin(context)
    return { nodes: await context.admin.nodes() }
  },

  connections: (_root, { userId }, context) => {
    requireAdmin(context)
    return context.admin.connections(requireIntId(userId, 'user'))
  },

  topic: async (_root, { id }, context) => {
    requireAdmin(context)
    return (await context.admin.topic(id, context.snapshot?.log)) ?? null
  },

  users: async (_root, { search, online, banned, first, after }, context) => {
    requireAdmin(context)
    const size = pageSize(first, 20)
    const position = decodeCursor('user', after, isUserId) ?? 0
    const filter = { search: searchText(search), online: online ?? undefined, banned: banned ?? undefined }
    const rows = await directoryPage(context, filter, position, size + 1)
    await context.turn(rows.length)
    return byId('user', rows, size, after)
  },

  conversationsOf: async (_root, { userId, first, after }, context) => {
    requireAdmin(context)
    const id = requireIntId(userId, 'user')
    const user = await context.load.user.load(id)
    if (!user) throw notFound(`there is no user ${id}`)
    if (id !== context.viewer.userId) context.readings?.add('conversationsOf', 'User', String(id))
    return await conversationPage(context, { userId: id }, first, after)
  },

  groups: async (_root, { search, first, after }, context) => {
    requireAdmin(context)
    const size = pageSize(first, 20)
    const position = decodeCursor('group', after, isUserId) ?? 0
    const ids = await context.chat.reads.groupDirectory(searchText(search), position, size + 1)
    await context.turn(ids.length)
    return byId(
      'group',
      ids.map((id) => ({ id })),
      size,
      after,
    )
  },

  reports: async (_root, { status, first, after }, context) => {
    requireAdmin(context)
    const size = pageSize(first, 20)
    const before = decodeCursor('report', after, isId)
    const rows = await context.answer.read(
      'reports',
      () => context.chat.reads.reportPage(status ?? undefined, before, size + 1),
      (page) => page.reduce((sum, { content, reason }) => sum + content.length + reason.length + 200, 0),
    )
    await context.turn(rows.length)
    return byId('report', rows, size, after)
  },

  auditLog: async (_root, { actorId, action, targetId, first, after }, context) => {
    requireAdmin(context)
    const size = pageSize(first, 20)
    const before = decodeCursor('audit', after, isId)
    const filter = {
      actorId: actorId == null ? undefined : requireIntId(actorId, 'user'),
      action: action ?? undefined,
      targetId: targetId ?? undefined,
    }
    const rows = await context.chat.reads.auditPage(filter, before, size + 1)
    await context.turn(rows.length)
    return byId('audit', rows, size, after)
  },

  statistics: async (_root, { days }, context) => {
    requireAdmin(context)
    const count = days ?? 7
    if (count < 1 || count > DAYS_LIMIT) throw badInput(`days is ${count}, expected 1 to ${DAYS_LIMIT}`)
    return await context.chat.reads.statistics(count)
  },
} satisfies Partial<QueryResolvers>
