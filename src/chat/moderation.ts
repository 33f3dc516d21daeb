import { badInput, ChatError, notFound } from '../errors.ts'
import { LAST_TIME } from '../ids.ts'
import { problemWithText } from '../limits.ts'
import type { BanRecord } from '../store/bans.ts'
import type { ReportRecord, ReportStatus } from '../store/reports.ts'
import type { Store } from '../store/store.ts'
import type { Access } from './access.ts'
import type { Also, Commits } from './commit.ts'
import { deleteMessages } from './deletions.ts'
import { userTopic } from './events.ts'

/** Bans and reports. `also` is committed with the change. */
export interface Moderation {
  /** Bans a user until a time, in milliseconds since the epoch; undefined: permanently. Throws NOT_FOUND, BAD_USER_INPUT. */
  ban(adminId: number, userId: number, until: number | undefined, reason: string, also: Also): Promise<BanRecord>
  unban(userId: number, also: Also): Promise<BanRecord>
  /**
   * Reports a message that the user can read; a repeat returns the first report. Throws NOT_FOUND for a deleted message,
   * BAD_USER_INPUT for one's own.
   */
  report(userId: number, messageId: number, reason: string): Promise<{ report: ReportRecord; isNew: boolean }>
  /** Resolves a report and notifies the reporter. Throws NOT_FOUND, and CONFLICT if it was resolved differently. */
  resolve(adminId: number, id: number, status: ReportStatus, note: string | null, also: Also): Promise<ReportRecord>
  /** Deletes what a user has sent since a time, in milliseconds since the epoch; resolves with the number of messages. */
  deleteMessagesOf(adminId: number, userId: number, since: number, also: Also): Promise<number>
}

/** Messages deleted in one transaction; their conversations wait for it. */
const DELETED_AT_ONCE = 100
const TEXT_LENGTH = 1000

/** Throws BAD_USER_INPUT for a reason or note that is too long, or is empty but required. */
function requireText(text: string, field: string, min: 0 | 1): void {
  const problem = problemWithText(text, field, min, TEXT_LENGTH)
  if (problem !== null) throw badInput(problem)
}

export function createModeration(options: { store: Store; commits: Commits; access: Access }): Moderation {
  const { store, commits, access } = options

  async function requireUser(userId: number): Promise<void> {
    if (!(await store.users.byIds([userId])).has(userId)) throw notFound(`there is no user ${userId}`)
  }

  return {
    async ban(adminId, userId, until, reason, also) {
      requireText(reason, 'reason', 1)
      if (userId === adminId) throw badInput('userId is yourself, expected another user')
      if (until !== undefined && until <= Date.now()) throw badInput('until is past, expected a time to come or none')
      await requireUser(userId)
      return await commits.run((tx) => tx.bans.set(userId, { until: until ?? LAST_TIME, reason, byId: adminId }), also)
    },

    async unban(userId, also) {
      await requireUser(userId)
      return await commits.run((tx) => tx.bans.set(userId, null), also)
    },

    async report(userId, messageId, reason) {
      requireText(reason, 'reason', 1)
      const { message } = await access.message(userId, messageId)
      if (message.senderId === userId) throw badInput('messageId is a message of your own, expected one of somebody else')
      const added = await store.reports.add(messageId, userId, reason)
      if (added) return { report: added, isNew: true }
      const report = await store.reports.of(messageId, userId)
      if (!report || message.deletedAt !== undefined) throw notFound(`message ${messageId} is deleted`)
      return { report, isNew: false }
    },

    async resolve(adminId, id, status, note, also) {
      if (status === 'OPEN') throw badInput('status is OPEN, expected ACTED or DISMISSED')
      if (note !== null) requireText(note, 'note', 0)
      return await commits.run(async (tx) => {
        const report = await tx.reports.lock(id)
        if (!report) throw notFound(`there is no report ${id}`)
        if (report.status === status) return report
        if (report.status !== 'OPEN') throw new ChatError('CONFLICT', `report ${id} was decided already: ${report.status}`)
        const resolved = await tx.reports.resolve(id, status, adminId, note)
        await tx.lock([userTopic(report.reporterId)])
        const data = { reportId: String(id), messageId: String(report.messageId), status }
        for (const notification of await tx.notifications.add([report.reporterId], 'report_resolved', data)) {
          tx.append({ topics: [userTopic(report.reporterId)], kind: 'notification', payload: { ...notification, data } })
        }
        await also(tx)
        return resolved
      })
    },

    async deleteMessagesOf(adminId, userId, since, also) {
      await requireUser(userId)
      const ids = await store.messages.sentSince(userId, since)
      let count = 0
      // Even if there is nothing to delete.
      await commits.run(also)
      for (let start = 0; start < ids.length; start += DELETED_AT_ONCE) {
        const some = ids.slice(start, start + DELETED_AT_ONCE)
        count += (await commits.run((tx) => deleteMessages(tx, some, adminId))).length
      }
      return count
    },
  }
}
