import type { Core } from '../core.ts'
import { every } from '../lib/schedule.ts'
import { REVOKED } from '../live/connections.ts'
import type { Settings } from '../settings.ts'
import type { Node } from './node.ts'

const HOUR_MS = 3_600_000
const SWEEP_EVERY_MS = HOUR_MS / 6
/** How often the search index is completed from the database. */
const INDEX_EVERY_MS = 60_000
const SWEEP_AT_ONCE = 1000
const RETENTION_EVERY_MS = 60_000
/** The statistics go back this far. */
const STATISTICS_DAYS = 366
/** How often a node looks for changed profiles that were not announced, for example because another node died. */
const PROFILE_SWEEP_MS = 5000
/** More hours than PostgreSQL's dates reach back mean no limit. */
const MAX_RETENTION_HOURS = 1_000_000

/** Reads revocations and bans, and again every POSITION_CHECK_MS if other nodes may store some. */
export async function beginRevocations({ settings, revocations, bans, connections, onStop, failed }: Node): Promise<void> {
  const refresh = async (): Promise<void> => {
    for (const userId of await revocations.refresh()) connections.disconnectUser(userId, REVOKED)
    for (const userId of await bans.refresh()) connections.disconnectUser(userId, bans.textOf(userId), 'banned')
  }
  await refresh()
  if (settings.databaseUrl !== undefined) onStop(every(settings.positionCheckMs, () => refresh().catch(failed('revocations'))))
}

/** Deletes what is older than its retention, again and again. */
export function beginSweeps({ core, settings, onStop, failed }: Node): void {
  const ofMessages = (): Promise<void> => sweepMessages(core, settings).catch(failed('retention'))
  void ofMessages()
  onStop(every(RETENTION_EVERY_MS, ofMessages))
  onStop(every(SWEEP_EVERY_MS, () => sweep(core, settings).catch(failed('sweep'))))
}

/** Announces changed profiles that were not announced, now and every PROFILE_SWEEP_MS. */
export function beginProfileSweeps({ core, onStop, failed }: Node): void {
  const sweep = (): Promise<void> => core.chat.profileUpdates.sweep().catch(failed('profile update'))
  void sweep()
  onStop(every(PROFILE_SWEEP_MS, sweep))
}

/** Compares this node's positions with the log, since hints may be lost and the database may go back in time. */
export function beginPositionChecks({ settings, core, onStop, failed }: Node): void {
  if (settings.databaseUrl === undefined) return
  const check = async (): Promise<void> => {
    await core.store.checkHistory()
    await core.topics.check()
  }
  onStop(every(settings.positionCheckMs, () => check().catch(failed('check'))))
}

/** Adds to the search index what a crash, an import or an older version left out, regularly. */
export function beginSearchIndex({ core, onStop, isStopping, failed }: Node): void {
  let running: Promise<void> | undefined
  const catchUp = (): void => {
    running ??= core.searchIndex
      .catchUp(isStopping)
      .catch(failed('search index'))
      .finally(() => (running = undefined))
  }
  catchUp()
  const stop = every(INDEX_EVERY_MS, catchUp)
  onStop(async () => {
    stop()
    await running
  })
}

/** Deletes messages past their retention; one sweep at a time. */
async function sweepMessages({ chat }: Core, { messageRetentionDays: days }: Settings): Promise<void> {
  if (days > 0) await chat.retention.sweep(Math.min(days, MAX_RETENTION_HOURS))
}

/** Deletes everything past its retention, and records who is active today. */
async function sweep({ store, chat }: Core, { eventRetentionHours, auditRetentionDays }: Settings): Promise<void> {
  await chat.presence.noteActive()
  await store.directory.forgetActive(STATISTICS_DAYS)
  const hours = Math.min(eventRetentionHours, MAX_RETENTION_HOURS)
  while ((await store.log.sweep(hours, SWEEP_AT_ONCE)) === SWEEP_AT_ONCE);
  const days = Math.min(auditRetentionDays, MAX_RETENTION_HOURS)
  while ((await store.audit.sweep(days, SWEEP_AT_ONCE)) === SWEEP_AT_ONCE);
}
