import { ChatError } from '../../errors.ts'
import type { ImportProgress, ImportResult } from '../../store/imported.ts'
import type { Store, Transaction } from '../../store/store.ts'
import { groupTopic } from '../events.ts'
import { reactionKey } from '../../limits.ts'
import { IMPORT_TYPES, type ImportedRead, type ImportRecord, type ImportType, type ImportValues } from './lines.ts'

/** A line of the file that was parsed. */
export type NumberedRecord = ImportRecord & { readonly number: number }

export interface RecordOutcome {
  number: number
  type: ImportType
  status: 'added' | 'present' | 'changed' | 'bad'
  /** Why it is invalid. */
  reason: string | null
}

/** The file's progress with these outcomes of a batch; called again where the batch is stored in parts. */
type Progress = (outcomes: readonly RecordOutcome[]) => ImportProgress

export interface Importer {
  /**
   * Stores a batch of lines and the file's progress in one transaction; a line that can't be stored fails alone. Throws
   * UNAVAILABLE if the database does not answer; nothing is stored then.
   */
  write(records: readonly NumberedRecord[], progress: Progress): Promise<RecordOutcome[]>
}

/** `update`: existing users and groups are updated from the file, otherwise they stay as they are. */
export function createImporter(store: Store, { update }: { update: boolean }): Importer {
  async function storeOnce(records: readonly NumberedRecord[], progress?: Progress): Promise<RecordOutcome[]> {
    const { result } = await store.transaction(async (tx) => {
      const outcomes: RecordOutcome[] = []
      await lockTopics(tx, records, update)
      for (const type of IMPORT_TYPES) {
        for (const round of rounds(records.filter((record) => record.type === type))) {
          const results = await add(tx, type, round, update)
          outcomes.push(...round.map((record, index) => outcomeOf(record, results[index] as ImportResult)))
        }
      }
      if (progress) await tx.imports.saveProgress(progress(outcomes))
      return outcomes
    })
    return result
  }

  /** A batch that the database rejects is split in halves until the bad line is found. */
  async function split(records: readonly NumberedRecord[]): Promise<RecordOutcome[]> {
    try {
      return await storeOnce(records)
    } catch (error) {
      if (error instanceof ChatError && error.code === 'UNAVAILABLE') throw error
      const [record] = records
      if (records.length === 1 && record)
        return [{ number: record.number, type: record.type, status: 'bad', reason: 'the database refuses it' }]
      const half = Math.ceil(records.length / 2)
      return [...(await split(records.slice(0, half))), ...(await split(records.slice(half)))]
    }
  }

  return {
    async write(records, progress) {
      try {
        return await storeOnce(records, progress)
      } catch (error) {
        if (error instanceof ChatError && error.code === 'UNAVAILABLE') throw error
      }
      const outcomes = await split(records.toSorted((a, b) => IMPORT_TYPES.indexOf(a.type) - IMPORT_TYPES.indexOf(b.type)))
      await store.imports.saveProgress(progress(outcomes))
      return outcomes
    },
  }
}

/** In one call for all that exist: concurrent sends wait, so that they are numbered and counted after the imported messages. */
async function lockTopics(tx: Transaction, records: readonly NumberedRecord[], update: boolean): Promise<void> {
  const groups = new Set<string>()
  const conversations = new Set<string>()
  const messages = new Set<number>()
  for (const { type, value } of records) {
    if (type === 'group' && update) groups.add(groupTopic(value.id))
    else if (type === 'message' || type === 'read') conversations.add(value.conversationId)
    else if (type === 'receipt') messages.add(value.messageId)
  }
  await tx.lock([...new Set([...groups, ...(await tx.imports.topicsOf([...conversations], [...messages]))])])
}

/** The key that must be unique within one statement. */
function keysOf({ type, value }: ImportRecord): string[] {
  switch (type) {
    case 'user':
    case 'message':
      return [String(value.id)]
    case 'conversation':
      return [value.id, `${value.low} ${value.high}`]
    case 'group':
      return [String(value.id), value.conversationId]
    case 'receipt':
      return [`${value.messageId} ${value.userId}`]
    case 'reaction':
      return [`${value.messageId} ${value.userId} ${reactionKey(value.reaction)}`]
    case 'read':
      return [`${value.userId} ${value.conversationId}`]
  }
}

/** Splits records into as few rounds as possible so that no key occurs twice in a round; repeats come in later rounds. */
function rounds(records: readonly NumberedRecord[]): NumberedRecord[][] {
  const found: NumberedRecord[][] = []
  const seen = new Map<string, number>()
  for (const record of records) {
    const keys = keysOf(record)
    const round = Math.max(0, ...keys.map((key) => (seen.get(key) ?? -1) + 1))
    for (const key of keys) seen.set(key, round)
    ;(found[round] ??= []).push(record)
  }
  return found
}

async function add(
  tx: Transaction,
  type: ImportType,
  records: readonly NumberedRecord[],
  update: boolean,
): Promise<ImportResult[]> {
  // All records have this type.
  const values = <T extends ImportType>(): ImportValues[T][] => records.map(({ value }) => value as ImportValues[T])
  switch (type) {
    case 'user':
      return await tx.imports.users(values<'user'>(), update)
    case 'conversation':
      return await tx.imports.conversations(values<'conversation'>())
    case 'group': {
      const groups = values<'group'>()
      const results = await tx.imports.groups(groups)
      const present = groups.filter((_, index) => results[index]?.status === 'present')
      if (!update || present.length === 0) return results
      const changed = await tx.imports.updateGroups(present)
      const changedIds = new Set(present.filter((_, index) => changed[index]).map(({ id }) => id))
      return results.map((result, index) =>
        result.status === 'present' && changedIds.has(groups[index]?.id ?? 0) ? { ...result, status: 'changed' } : result,
      )
    }
    case 'message':
      // Their ids may be lower than what the search index has covered.
      await tx.search.indexFrom(Math.min(...values<'message'>().map(({ id }) => id)))
      return await tx.imports.messages(values<'message'>())
    case 'receipt':
      return await tx.imports.receipts(values<'receipt'>())
    case 'reaction':
      return await tx.imports.reactions(await unifySpelling(tx, values<'reaction'>()))
    case 'read': {
      const results: ImportResult[] = []
      for (const value of values<'read'>()) results.push(await moveRead(tx, value))
      return results
    }
  }
}

/** Advances a pointer to a message if it is behind. */
async function moveRead(tx: Transaction, { conversationId, userId, messageId, isGroup }: ImportedRead): Promise<ImportResult> {
  const position = await tx.readPointers.lock(userId, conversationId, messageId)
  if (!position) {
    const message = (await tx.messages.byIds([messageId])).get(messageId)
    if (message?.conversationId !== conversationId) return { status: 'no_message', detail: null }
    return { status: 'not_in', detail: String(userId) }
  }
  if (position.isGroup !== isGroup) return { status: 'wrong_kind', detail: conversationId }
  // Even if receipts moved it there: this records that the member marked it read.
  await tx.readPointers.moveTo(userId, conversationId, position)
  return { status: (position.readUpTo ?? 0) >= messageId ? 'present' : 'added', detail: null }
}

/** Reactions with one spelling for each message: the stored one, or else the first. */
async function unifySpelling(
  tx: Transaction,
  reactions: readonly ImportValues['reaction'][],
): Promise<ImportValues['reaction'][]> {
  const keyOf = (messageId: number, reaction: string): string => `${messageId} ${reactionKey(reaction)}`
  const stored = await tx.reactions.spellings([...new Set(reactions.map(({ messageId }) => messageId))])
  const shown = new Map(stored.map(({ messageId, reaction }) => [keyOf(messageId, reaction), reaction]))
  return reactions.map((value) => {
    const key = keyOf(value.messageId, value.reaction)
    const reaction = shown.get(key) ?? value.reaction
    shown.set(key, reaction)
    return { ...value, reaction }
  })
}

function outcomeOf(record: NumberedRecord, { status, detail }: ImportResult): RecordOutcome {
  const { number, type } = record
  if (status === 'added' || status === 'present' || status === 'changed') return { number, type, status, reason: null }
  return { number, type, status: 'bad', reason: reasonOf(record, status, detail) }
}

function reasonOf(
  { type, value }: ImportRecord,
  problem: Exclude<ImportResult['status'], 'added' | 'present' | 'changed'>,
  detail: string | null,
): string {
  switch (problem) {
    case 'no_user':
      return `there is no user ${detail}: the line of a user comes before those that name it`
    case 'no_conversation':
      return `there is no conversation ${JSON.stringify(detail)}: its line comes before its messages`
    case 'no_message':
      return 'messageId' in value && value.isGroup
        ? 'there is no group message of this id: the line of a message comes before those that name it'
        : 'there is no direct message of this id: the line of a message comes before those that name it'
    case 'wrong_kind':
      return `is_group does not agree with the conversation ${JSON.stringify(detail)}`
    case 'not_in':
      return `user ${detail} is not in this conversation`
    case 'own':
      return 'the reader is the sender: nobody reads their own message'
    case 'other_id':
      return `these users have the conversation ${JSON.stringify(detail)} already`
    case 'taken':
      return `there is another ${type} of this id`
  }
}
