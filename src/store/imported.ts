import type { GroupInfo, Role } from './groups.ts'

/** Times are ISO 8601 in UTC; null if unknown. */
export interface ImportedUser {
  id: number
  name: string
  avatar: string | null
  lastActive: string | null
  createdAt: string | null
}

/** A direct conversation with its imported id. */
export interface ImportedConversation {
  id: string
  low: number
  high: number
  createdAt: string | null
}

export interface ImportedGroup extends GroupInfo {
  id: number
  conversationId: string
  createdAt: string | null
  members: readonly { userId: number; role: Role; joinedAt: string | null; historyAfter?: number }[]
}

export interface ImportedMessage {
  id: number
  conversationId: string
  senderId: number
  isGroup: boolean
  content: string
  messageType: string
  mediaUrl: string | null
  at: string
  /** The outcome. */
  key?: string | null
  editedAt?: string | null
  deletedAt?: string | null
  deletedById?: number | null
  replyToId?: number | null
  mentionIds?: readonly number[] | null
  mentionsAll?: boolean
}

/** Without a time it counts as of the message's time, here and in a reaction. */
export interface ImportedReceipt {
  messageId: number
  isGroup: boolean
  userId: number
  at: string | null
}

export interface ImportedReaction extends ImportedReceipt {
  reaction: string
}

export type ImportProblem = 'no_user' | 'no_conversation' | 'no_message' | 'wrong_kind' | 'not_in' | 'own' | 'taken' | 'other_id'

/** The outcome of an input; `detail` names the subject of a problem. */
export interface ImportResult {
  status: 'added' | 'present' | 'changed' | ImportProblem
  detail: string | null
}

/** The progress of a file's import. */
export interface ImportProgress {
  id: string
  offset: number
  lines: number
  digest: string
  bad: number
  /** Lines by type and outcome; null where a version saved it that did not count them. */
  counts: Record<string, Record<string, number>> | null
}

/** A batch as the statements use it: each input with its index. */
export const inputsAsJson = (inputs: readonly object[]): string => JSON.stringify(inputs.map((input, ord) => ({ ...input, ord })))
