/**
 * The frames of the legacy protocol as tables: names, fields and literal texts (docs/protocol.md, sections 1 to 6). The single
 * source: the codec reads and writes by them, the types are inferred from them, and every field has its JSON Schema.
 */
import {
  DEFAULT_MESSAGE_TYPE,
  HTTP_URL,
  LIMITS,
  MESSAGE_TYPE,
  NUL_OR_SURROGATE,
  REACTION,
  VISIBLE,
  excerpt,
  problemWithContent,
  problemWithKey,
  problemWithMessageType,
  problemWithReaction,
  problemWithText,
  problemWithUrl,
} from '../limits.ts'
import {
  array,
  boolean,
  integer,
  list,
  literal,
  nullable,
  nullableOrEmpty,
  object,
  oneOf,
  optional,
  ownMember,
  string,
  variant,
} from './fields.ts'
import type { Field, Fields, JsonSchema, Values, WireValues } from './fields.ts'
import { CAPABILITIES, type Capability } from './capabilities.ts'

const MAX_INT = 2_147_483_647
const MAX_SESSION_ID = 128
/** An event id, or a value of `Query.cursor`, which is longer than any text meant as an id. */
export const CURSOR = /^([0-9]{1,19}|(?=[0-9]*[A-Za-z_-])[A-Za-z0-9_-]{40,1024})$/

/** What `problemWithText` checks, as a JSON Schema, whose lengths are in code points, too. */
function unicode(minLength: number, maxLength: number): JsonSchema {
  return { minLength, maxLength, not: { pattern: NUL_OR_SURROGATE.source } }
}

const text = string()
const bool = boolean()
const count = integer(0, MAX_INT)
const userId = integer(1, MAX_INT)
const groupId = integer(1, MAX_INT)
const messageId = integer(1, Number.MAX_SAFE_INTEGER)
const timestamp = string(undefined, {
  format: 'date-time',
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$',
})
const isGroup = optional(bool, false)
const sessionId = string((id, path) => problemWithText(id, path, 1, MAX_SESSION_ID), unicode(1, MAX_SESSION_ID))
/** Checked against the receiver: any length is accepted here, so that the error for a wrong one can name the expected one. */
const directSessionId = string((id, path) => problemWithText(id, path, 0, Infinity), {
  not: { pattern: NUL_OR_SURROGATE.source },
})
const TOKEN_LIMIT = 8192
/** A token: errors must not show it. */
const token = string((value, path) => problemWithText(value, path, 1, TOKEN_LIMIT), unicode(1, TOKEN_LIMIT))
const cursor = string(problemWithCursor, { pattern: CURSOR.source })

/** What is wrong with an event id to resume after (section 6); null if nothing. */
export function problemWithCursor(id: string, path: string): string | null {
  return CURSOR.test(id) ? null : `${path} is ${excerpt(id)}, expected a string of 1 to 19 decimal digits`
}

/** Top-level `message_id` of a request: echoed, and on `message_sent` the idempotency key (section 2). */
export const ECHO = nullable(string(problemWithKey, unicode(1, LIMITS.key)))

/**
 * Formats of the JSON Schemas for two rules that keywords can't express: what the WHATWG URL parser accepts, and a length in
 * bytes. Validators that do not know a format ignore it.
 */
export const FORMATS = { url: 'http-url', reaction: `max-${LIMITS.reaction}-utf8-bytes` } as const

export const TEXTS = {
  connected: '连接成功',
  success: 'success',
  unauthenticated: '认证失败',
  invalidJson: '无效的JSON格式',
  missingFields: '缺少必要字段',
  unknownType: '未知的消息类型',
  tooManyConnections: '连接数超过上限',
  tooManyRequests: '请求过于频繁',
  forbiddenOrigin: '来源不被允许',
  unavailable: '服务暂时不可用',
} as const

const messageBody = {
  content: string(
    (content, path, data) => problemWithContent(content, (ownMember(data, 'media_url') ?? null) !== null, path),
    { ...unicode(0, LIMITS.content), description: 'Not empty, unless there is a media_url.' },
    {
      anyOf: [
        { properties: { content: { minLength: 1 } } },
        { required: ['media_url'], properties: { media_url: { type: 'string' } } },
      ],
    },
  ),
  message_type: optional(string(problemWithMessageType, { pattern: MESSAGE_TYPE.source }), DEFAULT_MESSAGE_TYPE),
  media_url: nullable(
    string(problemWithUrl, {
      ...unicode(1, LIMITS.url),
      format: FORMATS.url,
      pattern: HTTP_URL.source,
      description: 'An http or https URL.',
    }),
  ),
}
/** Whether it may be empty depends on the message. */
const editedContent = string((content, path) => problemWithContent(content, true, path), {
  ...unicode(0, LIMITS.content),
  description: 'Not empty, unless the message has media.',
})
const reactionChange = {
  message_id: messageId,
  reaction: string(problemWithReaction, {
    ...unicode(1, LIMITS.reaction),
    format: FORMATS.reaction,
    pattern: REACTION.source,
    allOf: [{ pattern: VISIBLE.source }],
    description: `At most ${LIMITS.reaction} bytes of UTF-8, no white space and no control characters, at least one visible character.`,
  }),
  is_group: isGroup,
}

const replyTo = nullable(messageId)
const mentions = nullable(list(userId, LIMITS.mentions))

/**
 * Requests: the fields of `data` in the order of their checks (null: `data` is not read), the error text, and the response: its
 * fixed `data`, and the `fields` that come with it. `groupFields` replaces `fields` if `is_group` is true. `ping` and
 * `heartbeat` have no error text of their own: only `message_id` can be malformed, and the text about the frame's form fits
 * best. Section 9: a request with `needs` is unknown to a connection without that capability, and fields in `also` are read if
 * theirs is enabled.
 */
export const REQUESTS = {
  message_sent: {
    fields: {
      is_group: optional(variant(false), false),
      conversation_id: nullableOrEmpty(directSessionId),
      receiver_id: userId,
      ...messageBody,
    },
    groupFields: { is_group: variant(true), conversation_id: sessionId, ...messageBody },
    also: { replies: { reply_to_id: replyTo, mention_ids: mentions } },
    failure: '发送消息失败',
    response: { type: 'message_sent', data: { success: true, message: '消息发送成功' } },
  },
  typing: {
    fields: { session_id: sessionId, typing: bool },
    failure: '更新输入状态失败',
    response: { type: 'typing', data: { success: true } },
  },
  message_read: {
    fields: { message_id: messageId, is_group: isGroup },
    failure: '标记消息已读失败',
    response: { type: 'message_read', data: { success: true, message: '消息已标记为已读' } },
  },
  reaction_added: {
    fields: reactionChange,
    failure: '添加反应失败',
    response: { type: 'reaction_added', data: { success: true, message: '已添加反应' } },
  },
  reaction_removed: {
    fields: reactionChange,
    failure: '移除反应失败',
    response: { type: 'reaction_removed', data: { success: true, message: '已移除反应' } },
  },
  ping: { fields: null, failure: TEXTS.invalidJson, response: { type: 'heartbeat', data: {} } },
  heartbeat: { fields: null, failure: TEXTS.invalidJson, response: { type: 'heartbeat', data: {} } },
  auth: {
    fields: { token },
    failure: TEXTS.unauthenticated,
    response: { type: 'auth', data: { success: true }, fields: { expires_at: timestamp } },
  },
  resume: {
    fields: { last_message_id: cursor },
    failure: '恢复失败',
    response: { type: 'resume', data: { success: true }, fields: { replayed: count, complete: bool } },
  },
  capabilities: {
    fields: { enable: list(text, MAX_INT) },
    failure: '启用功能失败',
    response: { type: 'capabilities', data: { success: true }, fields: { enabled: array(oneOf(CAPABILITIES)) } },
  },
  message_edited: {
    needs: 'edits',
    fields: { message_id: messageId, content: editedContent, is_group: isGroup },
    also: { replies: { mention_ids: mentions } },
    failure: '编辑消息失败',
    response: { type: 'message_edited', data: { success: true, message: '消息已编辑' } },
  },
  message_deleted: {
    needs: 'edits',
    fields: { message_id: messageId, is_group: isGroup },
    failure: '撤回消息失败',
    response: { type: 'message_deleted', data: { success: true, message: '消息已撤回' } },
  },
  conversation_read: {
    needs: 'reads',
    fields: { session_id: sessionId, message_id: messageId },
    failure: '标记会话已读失败',
    response: { type: 'conversation_read', data: { success: true, message: '会话已标记为已读' } },
  },
} as const

const messagePush = {
  id: messageId,
  session_id: text,
  sender_id: userId,
  sender_name: text,
  sender_avatar: nullable(text),
  content: text,
  message_type: text,
  media_url: nullable(text),
}
const reactionPush = {
  message_id: messageId,
  is_group: bool,
  reaction: text,
  user_id: userId,
  reaction_count: count,
  reaction_user_ids: array(userId),
  timestamp,
}
const groupInfo = {
  group_id: groupId,
  name: text,
  avatar: nullable(text),
  announcement: nullable(text),
  member_count: count,
  join_approval_required: bool,
  allow_invitation: bool,
  allow_send_messages: bool,
}
const member = { group_id: groupId, user_id: userId, username: text, avatar: nullable(text), member_count: count }

/** The first frame of a connection (section 1). */
export const CONNECTION_ESTABLISHED = {
  type: 'connection_established',
  fields: { user_id: userId, connection_id: text, server_time: timestamp },
} as const

/** An `error` frame (section 5). */
export const ERROR = {
  type: 'error',
  fields: { code: integer(400, 599), message: text, details: object({ error: text }) },
} as const

const directPush = { ...messagePush, is_group: variant(false), timestamp }
const groupPush = { ...messagePush, is_group: variant(true), timestamp, group_id: nullable(groupId) }
const quotes = { reply_to_id: nullable(messageId), mention_ids: array(userId) }

/**
 * Pushes: the fields of `data` in documented order (section 4); `groupFields` if `is_group` is true. All are durable events and
 * carry a `message_id`, except those with `isDurable: false`. Section 9: a push with `needs` goes only to connections with that
 * capability, and `also` comes last if theirs is enabled.
 */
export const PUSHES = {
  message_sent: { fields: directPush, groupFields: groupPush, also: { replies: quotes } },
  typing: { fields: { session_id: text, user_id: userId, user_name: text, typing: bool, timestamp }, isDurable: false },
  message_read: { fields: { message_id: messageId, is_group: bool, reader_id: userId, read_at: timestamp } },
  reaction_added: { fields: reactionPush },
  reaction_removed: { fields: reactionPush },
  online_status: { fields: { user_id: userId, online: bool, last_active: timestamp }, isDurable: false },
  group_updated: { fields: { group_id: groupId, update_type: literal('group_info'), data: object(groupInfo), timestamp } },
  user_joined_group: { fields: { group_id: groupId, update_type: literal('member_joined'), data: object(member), timestamp } },
  user_left_group: { fields: { group_id: groupId, update_type: literal('member_left'), data: object(member), timestamp } },
  notification: { fields: { notification_type: text, data: object({}) as Field<unknown> } },
  message_edited: {
    needs: 'edits',
    fields: { ...directPush, edited_at: timestamp },
    groupFields: { ...groupPush, edited_at: timestamp },
    also: { replies: quotes },
  },
  message_deleted: {
    needs: 'edits',
    fields: { message_id: messageId, session_id: text, is_group: bool, deleted_by: userId, timestamp },
  },
  conversation_read: {
    needs: 'reads',
    fields: { session_id: text, read_up_to: nullable(messageId), unread_count: count, timestamp },
  },
  user_updated: { needs: 'profiles', fields: { user_id: userId, username: text, avatar: nullable(text), timestamp } },
} as const

export type RequestType = keyof typeof REQUESTS
export type PushType = keyof typeof PUSHES

/** What a capability adds to a row of the tables. */
export type AlsoFields = Readonly<Partial<Record<Capability, Fields>>>

type FieldsOf<S> =
  (S extends { fields: infer F extends Fields } ? F : never) | (S extends { groupFields: infer F extends Fields } ? F : never)
type EachValues<F> = F extends Fields ? Values<F> : never

/** The fields that only some capabilities add. */
type Also<S> = S extends { also: infer A extends AlsoFields } ? Extract<A[keyof A], Fields> : never
type AlsoValues<S> = [Also<S>] extends [never] ? unknown : Partial<Values<Also<S>>>

/** A push's `data`, with the names used on the wire. */
export type PushData<T extends PushType> = EachValues<FieldsOf<(typeof PUSHES)[T]>> & AlsoValues<(typeof PUSHES)[T]>

type CamelCase<S> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : S & string
type Decoded<F> = F extends Fields ? { readonly [K in keyof F as CamelCase<K>]: Values<F>[K] } : unknown
type AlsoDecoded<S> = [Also<S>] extends [never] ? unknown : Partial<Decoded<Also<S>>>
type DecodedData<S> = S extends { fields: null } ? unknown : Decoded<FieldsOf<S>> & AlsoDecoded<S>

/** A decoded request: the members of `data` in camel case, and `echo`, the `message_id` that the response repeats. */
export type LegacyRequest = {
  [T in RequestType]: { readonly type: T; readonly echo: string | undefined } & DecodedData<(typeof REQUESTS)[T]>
}[RequestType]

/** `WSGenericResponse` (section 2); I is `string` if a frame always has an id. */
export interface Envelope<T extends string, D, I extends string | undefined = string | undefined> {
  readonly type: T
  readonly code: number
  readonly msg: string
  readonly data: D
  readonly message_id: I
}
type Echoed<T extends string, D> = Omit<Envelope<T, D>, 'message_id'> & { readonly message_id?: string }

/** A request's `data` on the wire. */
export type RequestData<T extends RequestType> = (typeof REQUESTS)[T] extends { fields: null }
  ? undefined
  : EachWireValues<FieldsOf<(typeof REQUESTS)[T]>> & AlsoWire<(typeof REQUESTS)[T]>
type AlsoWire<S> = [Also<S>] extends [never] ? unknown : Partial<WireValues<Also<S>>>
type EachWireValues<F> = F extends Fields ? WireValues<F> : never

type Response<T extends RequestType> = (typeof REQUESTS)[T]['response']
type ResponseFields<R> = R extends { fields: infer F extends Fields } ? Values<F> : unknown

/** The `data` of the response to a request that was executed. */
export type ResponseData<T extends RequestType> = Response<T>['data'] & ResponseFields<Response<T>>
export type ResponseFrame<T extends RequestType = RequestType> = {
  [K in T]: Echoed<Response<K>['type'], ResponseData<K>>
}[T]

type PushOf<T extends PushType> = (typeof PUSHES)[T] extends { isDurable: false }
  ? Omit<Envelope<T, PushData<T>>, 'message_id'> & { readonly message_id?: undefined }
  : Envelope<T, PushData<T>, string>
export type PushFrame<T extends PushType = PushType> = { [K in T]: PushOf<K> }[T]

export type ConnectionEstablishedData = Values<(typeof CONNECTION_ESTABLISHED)['fields']>
export type ErrorFrame = Echoed<'error', Values<(typeof ERROR)['fields']>>
/** Any frame from the server. */
export type ServerFrame = Echoed<'connection_established', ConnectionEstablishedData> | ErrorFrame | ResponseFrame | PushFrame
