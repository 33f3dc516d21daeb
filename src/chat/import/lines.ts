import {
  beginning,
  DEFAULT_MESSAGE_TYPE,
  excerpt,
  LIMITS,
  problemWithAnnouncement,
  problemWithContent,
  problemWithKey,
  problemWithMediaUrl,
  problemWithMessageType,
  problemWithName,
  problemWithReaction,
  problemWithText,
  problemWithUrl,
} from '../../limits.ts'
import type {
  ImportedConversation,
  ImportedGroup,
  ImportedMessage,
  ImportedReaction,
  ImportedReceipt,
  ImportedUser,
} from '../../store/imported.ts'

/** The types of lines in an import (docs/migration.md). */
export interface ImportValues {
  user: ImportedUser
  conversation: ImportedConversation
  group: ImportedGroup
  message: ImportedMessage
  receipt: ImportedReceipt
  reaction: ImportedReaction
  read: ImportedRead
}

/** How far someone has read a conversation. */
export interface ImportedRead {
  conversationId: string
  userId: number
  messageId: number
  isGroup: boolean
}

export type ImportType = keyof ImportValues

export type ImportRecord = { [T in ImportType]: { type: T; value: ImportValues[T] } }[ImportType]

/** In dependency order: a type comes after those it refers to. */
export const IMPORT_TYPES: readonly ImportType[] = ['user', 'conversation', 'group', 'message', 'receipt', 'reaction', 'read']

const MAX_INT = 2_147_483_647
/** Leaves future messages as many ids as JavaScript can represent. */
export const MAX_MESSAGE_ID = 2 ** 52
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/
const DAY_LENGTH = 'yyyy-mm-dd'.length
const YEAR = /^(?!0000)\d{4}-/

/** Why a line is invalid. */
export class ValidationError extends Error {}

/** Reads a line. Throws ValidationError with the first thing that is wrong with it. */
export function parseImportLine(text: string, groupMessageOffset: number): ImportRecord {
  const fields = new Fields(parseObject(text), '')
  const type = fields.choice('type', IMPORT_TYPES)
  const record = { type, value: PARSERS[type](fields, groupMessageOffset) } as ImportRecord
  fields.finish()
  return record
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new ValidationError('not JSON')
  }
  if (isObject(value)) return value
  throw new ValidationError('not a JSON object')
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const PARSERS: {
  [T in ImportType]: (fields: Fields, groupMessageOffset: number) => Extract<ImportRecord, { type: T }>['value']
} = {
  user: (fields) => ({
    id: fields.integer('id', MAX_INT),
    name: fields.text('name', problemWithName),
    avatar: fields.optionalText('avatar', problemWithUrl),
    lastActive: fields.optionalTime('last_active'),
    createdAt: fields.optionalTime('created_at'),
  }),

  conversation(fields) {
    const id = fields.text('id', problemWithId)
    const users = fields.list('user_ids')
    const [a, b] = users
    if (users.length !== 2 || !isId(a) || !isId(b) || a === b)
      throw new ValidationError('user_ids: expected the ids of two different users')
    const [low, high] = [Math.min(a, b), Math.max(a, b)]
    const isReserved = id.startsWith('group_') || /^direct_\d+_\d+$/.test(id)
    if (isReserved && id !== `direct_${low}_${high}`)
      throw new ValidationError(`id is ${excerpt(id)}, which would be another conversation's: expected "direct_${low}_${high}"`)
    return { id, low, high, createdAt: fields.optionalTime('created_at') }
  },

  group(fields) {
    const id = fields.integer('id', MAX_INT)
    const conversationId = fields.optionalText('conversation_id', problemWithId) ?? `group_${id}`
    const isReserved = conversationId.startsWith('direct_') || /^group_\d+$/.test(conversationId)
    if (isReserved && conversationId !== `group_${id}`)
      throw new ValidationError(
        `conversation_id is ${excerpt(conversationId)}, which would be another conversation's: expected "group_${id}"`,
      )
    const members = fields.list('members').map((item, index) => {
      if (!isObject(item)) throw new ValidationError(`members[${index}]: expected an object`)
      const member = new Fields(item, `members[${index}].`)
      const userId = member.integer('user_id', MAX_INT)
      const role = member.choice('role', ['owner', 'admin', 'member'] as const, 'member')
      const joinedAt = member.optionalTime('joined_at')
      const historyAfter = member.optionalInteger('history_after', MAX_MESSAGE_ID) ?? 0
      member.finish()
      return { userId, role: role.toUpperCase() as 'OWNER' | 'ADMIN' | 'MEMBER', joinedAt, historyAfter }
    })
    if (new Set(members.map(({ userId }) => userId)).size < members.length)
      throw new ValidationError('members: a user comes twice, expected each once')
    const owners = members.filter(({ role }) => role === 'OWNER').length
    if (owners !== 1) throw new ValidationError(`members: ${owners} with role "owner", expected 1`)
    return {
      id,
      conversationId,
      name: fields.text('name', problemWithName),
      avatar: fields.optionalText('avatar', problemWithUrl),
      announcement: fields.optionalText('announcement', problemWithAnnouncement),
      joinApprovalRequired: fields.flag('join_approval_required', false),
      allowInvitation: fields.flag('allow_invitation', true),
      allowSendMessages: fields.flag('allow_send_messages', true),
      historyVisible: fields.flag('history_visible', true),
      createdAt: fields.optionalTime('created_at'),
      members,
    }
  },

  message(fields, groupMessageOffset) {
    const isGroup = fields.flag('is_group', false)
    const mediaUrl = fields.optionalText('media_url', problemWithMediaUrl)
    const deletedAt = fields.optionalTime('deleted_at')
    const offset = isGroup ? groupMessageOffset : 0
    const replyToId = fields.optionalInteger('reply_to_id', MAX_MESSAGE_ID - offset)
    const mentionIds = fields.optionalIds('mention_ids')
    return {
      id: fields.messageId('id', isGroup, groupMessageOffset),
      conversationId: fields.text('session_id', problemWithId),
      senderId: fields.integer('sender_id', MAX_INT),
      isGroup,
      content: fields.text('content', (text, field) => problemWithContent(text, mediaUrl !== null || deletedAt !== null, field)),
      messageType: fields.optionalText('message_type', problemWithMessageType) ?? DEFAULT_MESSAGE_TYPE,
      mediaUrl,
      at: fields.time('timestamp'),
      key: fields.optionalText('client_message_id', problemWithKey),
      editedAt: fields.optionalTime('edited_at'),
      deletedAt,
      deletedById: fields.optionalInteger('deleted_by', MAX_INT),
      replyToId: replyToId === null ? null : replyToId + offset,
      mentionIds: mentionIds.length === 0 ? null : mentionIds,
      mentionsAll: fields.flag('mention_all', false),
    }
  },

  receipt(fields, groupMessageOffset) {
    const isGroup = fields.flag('is_group', false)
    return {
      messageId: fields.messageId('message_id', isGroup, groupMessageOffset),
      isGroup,
      userId: fields.integer('reader_id', MAX_INT),
      at: fields.optionalTime('read_at'),
    }
  },

  reaction(fields, groupMessageOffset) {
    const isGroup = fields.flag('is_group', false)
    return {
      messageId: fields.messageId('message_id', isGroup, groupMessageOffset),
      isGroup,
      userId: fields.integer('user_id', MAX_INT),
      reaction: fields.text('reaction', problemWithReaction),
      at: fields.optionalTime('timestamp'),
    }
  },

  read(fields, groupMessageOffset) {
    const isGroup = fields.flag('is_group', false)
    return {
      conversationId: fields.text('session_id', problemWithId),
      userId: fields.integer('user_id', MAX_INT),
      messageId: fields.messageId('message_id', isGroup, groupMessageOffset),
      isGroup,
    }
  },
}

/** A time in UTC; undefined for an invalid one or a year outside 1 to 9999. */
function parseTime(text: string): string | undefined {
  const time = new Date(text)
  if (!TIME.test(text) || Number.isNaN(time.getTime())) return undefined
  // A day that does not exist would roll over into the next month.
  const day = text.slice(0, DAY_LENGTH)
  if (!new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)) return undefined
  const utc = time.toISOString()
  return YEAR.test(utc) ? utc : undefined
}

const isId = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_INT

const problemWithId = (id: string, field: string): string | null => problemWithText(id, field, 1, LIMITS.conversationId)

/** An object's members, each read once; null counts as absent. */
class Fields {
  readonly #object: Record<string, unknown>
  readonly #path: string
  readonly #known = new Set<string>()

  constructor(object: Record<string, unknown>, path: string) {
    this.#object = object
    this.#path = path
  }

  #take(name: string): unknown {
    this.#known.add(name)
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined
  }

  #refuse(name: string, value: unknown, expected: string): never {
    const shown = typeof value === 'string' ? excerpt(value) : beginning(JSON.stringify(value ?? null))
    const got = value == null ? 'is missing' : `is ${shown}`
    throw new ValidationError(`${this.#path}${name} ${got}, expected ${expected}`)
  }

  /** Throws for unknown members: data under a misspelt name must not be lost silently. */
  finish(): void {
    const unknown = Object.keys(this.#object).find((name) => !this.#known.has(name))
    if (unknown !== undefined)
      throw new ValidationError(`${this.#path}${excerpt(unknown)} is not known, expected ${[...this.#known].join(', ')}`)
  }

  integer(name: string, max: number): number {
    const value = this.#take(name)
    if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max) return value as number
    this.#refuse(name, value, `an integer of 1 to ${max}`)
  }

  optionalInteger(name: string, max: number): number | null {
    return this.#take(name) == null ? null : this.integer(name, max)
  }

  /** User ids; empty if absent. */
  optionalIds(name: string): number[] {
    const value = this.#take(name) ?? []
    if (Array.isArray(value) && value.every(isId)) return value
    this.#refuse(name, value, 'an array of user ids')
  }

  messageId(name: string, isGroup: boolean, groupMessageOffset: number): number {
    return this.integer(name, MAX_MESSAGE_ID - groupMessageOffset) + (isGroup ? groupMessageOffset : 0)
  }

  text(name: string, problemWith: (text: string, field: string) => string | null): string {
    const value = this.#take(name)
    if (typeof value !== 'string') this.#refuse(name, value, 'a string')
    const problem = problemWith(value, this.#path + name)
    if (problem !== null) throw new ValidationError(problem)
    return value
  }

  optionalText(name: string, problemWith: (text: string, field: string) => string | null): string | null {
    return this.#take(name) == null ? null : this.text(name, problemWith)
  }

  flag(name: string, absent: boolean): boolean {
    const value = this.#take(name) ?? absent
    if (typeof value === 'boolean') return value
    this.#refuse(name, value, 'true or false')
  }

  list(name: string): unknown[] {
    const value = this.#take(name)
    if (Array.isArray(value)) return value
    this.#refuse(name, value, 'an array')
  }

  choice<T extends string>(name: string, choices: readonly T[], absent?: T): T {
    const value = this.#take(name) ?? absent
    const choice = choices.find((each) => each === value)
    if (choice !== undefined) return choice
    this.#refuse(name, value, `one of ${choices.join(', ')}`)
  }

  time(name: string): string {
    const value = this.#take(name)
    const time = typeof value === 'string' ? parseTime(value) : undefined
    if (time !== undefined) return time
    this.#refuse(name, value, 'a time such as 2023-07-15T10:30:00Z')
  }

  optionalTime(name: string): string | null {
    return this.#take(name) == null ? null : this.time(name)
  }
}
