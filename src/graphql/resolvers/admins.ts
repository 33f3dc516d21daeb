import { forbidden, type ChatError } from '../../errors.ts'
import type { OperationContext } from '../context.ts'

export const notAnAdmin = (): ChatError => forbidden('only admins may do this')

/** Throws FORBIDDEN for everyone else. */
export function requireAdmin({ viewer }: OperationContext): void {
  if (!viewer.isAdmin) throw notAnAdmin()
}
