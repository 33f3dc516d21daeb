import { forbidden, type ChatError } from '../../errors.ts'
import type { Also } from '../../chat/commit.ts'
import type { OperationContext } from '../context.ts'

export const notAnAdmin = (): ChatError => forbidden('only admins may do this')

/** Throws FORBIDDEN for everyone else. */
export function requireAdmin({ viewer }: OperationContext): void {
  if (!viewer.isAdmin) throw notAnAdmin()
}

/** The subject of an audit log entry: a type of the schema and an id. */
export type Target = readonly [type: string, id: string | null]

/** Runs an action that only admins may take, and commits the audit log entry with it. Throws FORBIDDEN for everyone else. */
export async function audited<T>(
  context: OperationContext,
  action: string,
  [targetType, targetId]: Target,
  details: Readonly<Record<string, unknown>>,
  act: (also: Also) => Promise<T>,
): Promise<T> {
  requireAdmin(context)
  return await context.admin.audited({ actorId: context.viewer.userId, action, targetType, targetId, details }, act)
}
