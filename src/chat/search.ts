import { badInput, notFound } from '../errors.ts'
import { fairTurns } from '../lib/fair-turns.ts'
import type { MessageRecord } from '../store/message-rows.ts'
import type { SearchFilters, SearchQuery } from '../store/search.ts'
import type { StoreParts } from '../store/store.ts'
import {
  conversationToken,
  dateToken,
  MEDIA_TOKEN,
  MENTIONS_ALL_TOKEN,
  mentionToken,
  RANGE_LEVELS,
  rangeOf,
  rangeToken,
  senderToken,
} from './search-index.ts'
import { matches, termsOf, tokensFor, type SearchTerm } from './search-words.ts'

/** The search text, filters, or both. */
export interface SearchInput extends SearchFilters {
  text: string | undefined
}

export interface Search {
  /**
   * The newest messages of the user's conversations that match, with ids below `before`, at most `limit`. Throws BAD_USER_INPUT, and
   * NOT_FOUND for a conversation that the user is not in.
   */
  messages: (userId: number, input: SearchInput, before: number | undefined, limit: number) => Promise<MessageRecord[]>
}

const TEXT_LENGTH = 200
const WORDS = 10
/** How many date tokens a time range may have; a range with more is searched by the filter alone. */
const DATES_LIMIT = 120
/** How many hits are checked for one page: few are hash collisions or not visible to the user. */
const HITS_LIMIT = 5000
/** How many characters of them are checked. */
const CHARACTERS_LIMIT = 1_000_000

export function createSearch(store: StoreParts): Search {
  return {
    async messages(userId, input, before = Number.MAX_SAFE_INTEGER, limit) {
      const terms = checkedTerms(input)
      const conversationIds = await store.conversations.idsOf(userId, input.conversationId)
      if (conversationIds.length === 0) {
        if (input.conversationId === undefined) return []
        throw notFound(`there is no conversation ${input.conversationId.slice(0, 64)}`)
      }
      const query = { ...input, userId, ...tokensOfQuery(userId, input, terms, conversationIds) }
      const found: MessageRecord[] = []
      let seen = 0
      let characters = 0
      for await (const { message } of hitsOf(store, query, Math.min(before, (await store.search.lastId()) + 1), limit)) {
        if (message && (await matchesInTurn(userId, message, terms))) found.push(message)
        characters += message?.content.length ?? 0
        if (found.length === limit || ++seen === HITS_LIMIT || characters > CHARACTERS_LIMIT) break
      }
      return found
    },
  }
}

/** How many characters are matched in one unit of a user's turn. */
const CHARACTERS_PER_UNIT = 50

/** Long contents take milliseconds each, and a page may check thousands. */
async function matchesInTurn(userId: number, { content }: MessageRecord, terms: readonly SearchTerm[]): Promise<boolean> {
  if (terms.length === 0) return true
  await fairTurns.next(userId, Math.ceil(content.length / CHARACTERS_PER_UNIT))
  return matches(content, terms)
}

function checkedTerms(input: SearchInput): SearchTerm[] {
  const { text, mentionsMe, ...filters } = input
  if (text !== undefined && [...text].length > TEXT_LENGTH)
    throw badInput(`text has more than ${TEXT_LENGTH} characters, expected at most as many`)
  const terms = text === undefined ? [] : termsOf(text)
  if (text !== undefined && terms.length === 0) throw badInput('text has no letter, digit or emoji to look for')
  if (terms.length > WORDS) throw badInput(`text has ${terms.length} words, expected at most ${WORDS}`)
  if (terms.length === 0 && !mentionsMe && Object.values(filters).every((value) => value === undefined))
    throw badInput(
      'nothing to look for is given, expected text, conversationId, senderId, hasMedia, mentionsMe, sentAfter or sentBefore',
    )
  return terms
}

type Tokens = Pick<SearchQuery, 'all' | 'oneOfEach'>

function tokensOfQuery(
  userId: number,
  input: SearchInput,
  terms: readonly SearchTerm[],
  conversationIds: readonly string[],
): Tokens {
  const all = terms.flatMap(tokensFor)
  if (input.senderId !== undefined) all.push(senderToken(input.senderId))
  if (input.hasMedia) all.push(MEDIA_TOKEN)
  const oneOfEach = [conversationIds.map(conversationToken)]
  if (input.mentionsMe) oneOfEach.push([mentionToken(userId), MENTIONS_ALL_TOKEN])
  const dates = datesBetween(input.sentAfter, input.sentBefore)
  if (dates) oneOfEach.push(dates.map(dateToken))
  return { all, oneOfEach }
}

/** The days, months and years that cover a range of time; undefined where it is open, or they are too many to help. */
function datesBetween(after: Date | undefined, before: Date | undefined): string[] | undefined {
  if (after === undefined && before === undefined) return undefined
  // No message lies outside of these years.
  const end = Math.min(before?.getTime() ?? Infinity, Date.now() + 366 * 86_400_000)
  const start = Math.max(after?.getTime() ?? -Infinity, Date.UTC(1970, 0, 1))
  const dates: string[] = []
  let day = new Date(start)
  day.setUTCHours(0, 0, 0, 0)
  while (day.getTime() < end && dates.length <= DATES_LIMIT) {
    const text = day.toISOString()
    const [year, month, date] = [day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate()]
    const nextYear = Date.UTC(year + 1, 0, 1)
    const nextMonth = Date.UTC(year, month + 1, 1)
    // The first day may begin before the range and the last end after it: the filter itself is exact.
    if (month === 0 && date === 1 && nextYear <= end) {
      dates.push(text.slice(0, 4))
      day = new Date(nextYear)
    } else if (date === 1 && nextMonth <= end) {
      dates.push(text.slice(0, 7))
      day = new Date(nextMonth)
    } else {
      dates.push(text.slice(0, 10))
      day = new Date(Date.UTC(year, month, date + 1))
    }
  }
  return dates.length > DATES_LIMIT ? undefined : dates
}

/** How many of the newest ids are searched first: common words are among them, and it is cheap. */
const NEWEST_IDS = 512

/** The steps of a search, each further back: ids from `from` on, below those searched before, and the tokens of their ranges. */
function stepsOf(before: number): ((top: number) => { from: number; ranges: readonly number[] })[] {
  const levels = RANGE_LEVELS.map((level) => (top: number) => {
    // Also the range before, since the newest may have just begun.
    const newest = rangeOf(level, top - 1)
    return { from: Math.max(0, newest - 1) * 2 ** level, ranges: [rangeToken(level, newest), rangeToken(level, newest - 1)] }
  })
  return [() => ({ from: Math.max(0, before - NEWEST_IDS), ranges: [] }), ...levels, () => ({ from: 0, ranges: [] })]
}

/** The index's hits below `before`, newest first: in the newest range of ids, then in ever larger ones. */
async function* hitsOf(
  store: StoreParts,
  query: Omit<SearchQuery, 'from' | 'before' | 'limit'>,
  before: number,
  pageLimit: number,
): AsyncGenerator<Awaited<ReturnType<StoreParts['search']['find']>>[number]> {
  const limit = 2 * pageLimit
  let top = before
  for (const step of stepsOf(before)) {
    const { from, ranges } = step(top)
    const oneOfEach = ranges.length === 0 ? query.oneOfEach : [...query.oneOfEach, ranges]
    for (;;) {
      const hits = await store.search.find({ ...query, oneOfEach, from, before: top, limit })
      yield* hits
      if (hits.length < limit) break
      top = (hits.at(-1) as (typeof hits)[number]).messageId
    }
    if (from === 0) return
    top = from
  }
}
