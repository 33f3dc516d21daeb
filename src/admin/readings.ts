import type { NewAuditEntry } from '../store/audit.ts'

/** What an admin looks at in one query: each item is written to the audit log once, before the response is sent. */
export class Readings {
  readonly #adminId: number
  readonly #entries = new Map<string, NewAuditEntry>()

  constructor(adminId: number) {
    this.#adminId = adminId
  }

  /** `action` is the query field that led there. */
  add(action: string, targetType: string, targetId: string): void {
    const key = `${targetType} ${targetId}`
    if (this.#entries.has(key)) return
    this.#entries.set(key, { actorId: this.#adminId, action, targetType, targetId, details: {} })
  }

  /** The items to audit, in the order in which they were read. */
  get entries(): readonly NewAuditEntry[] {
    return [...this.#entries.values()]
  }
}
