/** Limits of clients' texts (for messages docs/protocol.md, sections 2 and 3), shared by the domain and the transports. */
export const LIMITS = {
  /** Unicode code points */
  content: 5000,
  /** Unicode code points */
  url: 2048,
  /** Unicode code points, of a user or a group */
  name: 100,
  /** UTF-8 bytes */
  reaction: 64,
  /** Different ones of one user for one message */
  reactionsOfUser: 20,
  /** Unicode code points */
  key: 64,
  /** Users whom one user may block */
  blocksOfUser: 10_000,
  /** Memberships that a user ended, as long as a resume may go back to them, with which they may still join a group */
  formerMemberships: 1000,
  /** Members mentioned by name */
  mentions: 50,
  /** Unicode code points, of a conversation that was imported; others have far fewer */
  conversationId: 200,
} as const

export const DEFAULT_MESSAGE_TYPE = 'text'
export const MESSAGE_TYPE = /^[a-z][a-z0-9_]{0,31}$/
// The JSON Schemas of the legacy frames use these too, so no flag but u and nothing that other languages' engines lack.
/* oxlint-disable no-control-regex */
export const HTTP_URL = /^[Hh][Tt][Tt][Pp][Ss]?:\/\/[^\s\u0000-\u001f\u007f-\u009f]+$/u
export const REACTION = /^[^\s\u0000-\u001f\u007f-\u009f]+$/u
export const NUL_OR_SURROGATE = /[\u0000\ud800-\udfff]/u
/* oxlint-enable no-control-regex */
/** Blanks, joiners, selectors, tags and combining marks, which show nothing by themselves. */
const INVISIBLE = [
  '\\u00ad\\u0300-\\u036f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u200b-\\u200f',
  '\\u202a-\\u202e\\u2060-\\u206f\\u20d0-\\u20ff\\u2800\\u3164\\ufe00-\\ufe0f\\ufe20-\\ufe2f\\ufeff\\uffa0\\ufff0-\\ufffb',
  // As themselves, since not every engine knows an escape for them.
  '\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}',
].join('')
export const VISIBLE = new RegExp(`[^${INVISIBLE}]`, 'u')
const UNPRINTABLE = /[\p{Cc}\p{Surrogate}\p{Bidi_Control}\u2028\u2029]/gu
const EXCERPT_LENGTH = 40
/** Not Buffer, since browsers run this too. */
const utf8 = new TextEncoder()

/** The beginning of a client's text in quotes, safe for an error message: at most 40 code points, nothing unprintable. */
export const excerpt = (text: string): string => `"${beginning(text)}"`

/** The same without quotes. */
export function beginning(text: string): string {
  const start = [...text.slice(0, 2 * EXCERPT_LENGTH)].slice(0, EXCERPT_LENGTH).join('')
  return `${start.replace(UNPRINTABLE, '\ufffd')}${start.length < text.length ? '…' : ''}`
}

/** Whether the text has more code points than that; counts only if the number of UTF-16 units does not decide it. */
function isLongerThan(text: string, codePoints: number): boolean {
  if (text.length <= codePoints) return false
  if (text.length > 2 * codePoints) return true
  let count = 0
  for (const _ of text) if (++count > codePoints) return true
  return false
}

/**
 * Each function returns what is wrong with the value, as a sentence that begins with the field's name ("content is empty,
 * expected ..."), or null if nothing. The names default to those of the GraphQL API.
 */

/** A text of `min` to `max` code points that the database can hold: without NUL and lone surrogates. */
export function problemWithText(text: string, field: string, min: number, max: number): string | null {
  if (text.length < min) return `${field} is empty, expected a string of ${min} to ${max} characters`
  if (isLongerThan(text, max)) return `${field} is longer than ${max} characters, expected ${min} to ${max}`
  if (NUL_OR_SURROGATE.test(text)) return `${field} has a NUL character or a lone surrogate, expected Unicode text without`
  return null
}

/** An http or https URL. */
export function problemWithUrl(url: string, field: string): string | null {
  const problem = problemWithText(url, field, 1, LIMITS.url)
  if (problem !== null || (HTTP_URL.test(url) && URL.canParse(url))) return problem
  return `${field} is ${excerpt(url)}, expected an http or https URL`
}

/** The name of a user or a group. */
export function problemWithName(name: string, field = 'name'): string | null {
  return problemWithText(name, field, 1, LIMITS.name)
}

export function problemWithContent(content: string, hasMedia: boolean, field = 'content'): string | null {
  return problemWithText(content, field, hasMedia ? 0 : 1, LIMITS.content)
}

export function problemWithMessageType(messageType: string, field = 'messageType'): string | null {
  if (MESSAGE_TYPE.test(messageType)) return null
  return `${field} is ${excerpt(messageType)}, expected 1 to 32 lower case letters, digits and underscores, beginning with a letter`
}

export function problemWithMediaUrl(mediaUrl: string, field = 'mediaUrl'): string | null {
  return problemWithUrl(mediaUrl, field)
}

export function problemWithReaction(reaction: string, field = 'reaction'): string | null {
  const { reaction: max } = LIMITS
  if (reaction === '') return `${field} is empty, expected 1 to ${max} bytes of UTF-8`
  if (utf8.encode(reaction).length > max) return `${field} is longer than ${max} bytes of UTF-8, expected 1 to ${max}`
  if (!REACTION.test(reaction)) return `${field} has white space or control characters, expected none`
  return (
    problemWithText(reaction, field, 1, max) ??
    (VISIBLE.test(reaction) ? null : `${field} has no visible character, expected at least one`)
  )
}

/** Reactions with the same key are one reaction: spellings that differ only in composition or variation selectors. */
export const reactionKey = (reaction: string): string => reaction.normalize('NFC').replaceAll(/[\ufe0e\ufe0f]/g, '')

/** The sender's idempotency key: `message_id` of the legacy protocol, `clientMessageId` of GraphQL. */
export function problemWithKey(key: string, field = 'clientMessageId'): string | null {
  return problemWithText(key, field, 1, LIMITS.key)
}

export function problemWithAnnouncement(announcement: string, field = 'announcement'): string | null {
  return problemWithText(announcement, field, 0, LIMITS.content)
}
