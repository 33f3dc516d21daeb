import { forbidden } from '../../errors.ts'
import type { OperationContext } from '../context.ts'

/** Throws FORBIDDEN for everyone else. */
export function requireAdmin({ viewer }: OperationContext): void {
  if (!viewer.isAdmin) throw forbidden('only admins may do this')
}
