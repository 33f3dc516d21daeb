import type { NewAuditEntry } from '../store/audit.ts'

/** What an admin looks at in one query: noted in the audit log before the answer is sent, each thing once. */
export class Readings {
  readonly #adminId: number
  readonly #entries = new Map<string, NewAuditEntry>()

  constructor(adminId: number) {
    this.#adminId = adminId
  }

  /** `action` is the field of the query that led there. */
  add(action: string, targetType: string, targetId: string): void {
    const key = `${targetType} ${targetId}`
    if (this.#entries.has(key)) return
    this.#entries.set(key, { actorId: this.#adminId, action, targetType, targetId, details: {} })
  }

  /** What is to be noted, in the order in which it was read. */
  get entries(): readonly NewAuditEntry[] {
    return [...this.#entries.values()]
  }
}
