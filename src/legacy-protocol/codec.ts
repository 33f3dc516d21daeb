/**
 * Text of frames to requests, and responses to text: the legacy protocol without a socket (docs/protocol.md, sections 1 to 6).
 */
import { got, isJsonObject, ownMember } from './fields.ts'
import type { Field, Fields, JsonObject } from './fields.ts'
import { capabilityNames, hasCapability, NO_CAPABILITIES, type Capability, type CapabilitySet } from './capabilities.ts'
import { ECHO, REQUESTS, TEXTS } from './frames.ts'
import type { AlsoFields, LegacyRequest, PushData, PushType, RequestType } from './frames.ts'

/** The contents of an `error` frame: status, status text for users, and the reason for developers (section 5). */
export interface LegacyError {
  readonly code: number
  readonly msg: string
  readonly error: string
}

export type DecodedRequest =
  | { readonly ok: true; readonly request: LegacyRequest }
  | ({ readonly ok: false; readonly echo: string | undefined } & LegacyError)

type Echo = string | undefined
type Plan = readonly { readonly member: string; readonly path: string; readonly name: string; readonly field: Field<unknown> }[]

const planOf = (fields: Fields): Plan =>
  Object.entries(fields).map(([member, field]) => ({
    member,
    path: `data.${member}`,
    name: member.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    field,
  }))

interface RequestPlan {
  readonly failure: string
  /** Null if `data` is not read. */
  readonly fields: Plan | null
  readonly groupFields: Plan | null
}
interface RequestSpec {
  readonly failure: string
  readonly needs?: Capability
  readonly fields: Fields | null
  readonly groupFields?: Fields
  readonly also?: AlsoFields
}

/** REQUESTS prepared for decoding, for a set of capabilities; a Map, since keys come from clients. */
class Plans {
  readonly byType: ReadonlyMap<string, RequestPlan>
  /** The error text for an unknown `type`. */
  readonly expected: string

  constructor(capabilities: CapabilitySet) {
    const known = Object.entries<RequestSpec>(REQUESTS).filter(([, { needs }]) => !needs || hasCapability(capabilities, needs))
    this.byType = new Map(
      known.map(([type, { failure, fields, groupFields, also = {} }]) => {
        const more = Object.assign({}, ...capabilityNames(capabilities).map((name) => also[name])) as Fields
        const plan = fields && planOf({ ...fields, ...more })
        return [type, { failure, fields: plan, groupFields: groupFields ? planOf({ ...groupFields, ...more }) : plan }]
      }),
    )
    // Clients that never asked for capabilities get the original text.
    const names = [...this.byType.keys()].filter((type) => capabilities !== NO_CAPABILITIES || type !== 'capabilities')
    this.expected = `expected one of ${names.join(', ')}`
  }
}

const PLANS: Plans[] = []
const plansOf = (capabilities: CapabilitySet): Plans => (PLANS[capabilities] ??= new Plans(capabilities))

const refused = (msg: string, error: string, echo?: Echo): DecodedRequest => ({ ok: false, code: 400, msg, error, echo })

/**
 * Decodes one text frame of a client. Never throws: mistakes are returned as the 400 to respond with, whose reason names the
 * field, what was received and what was expected, with at most the first 40 characters of one value. A request that needs other
 * capabilities is unknown.
 */
export function decodeRequest(text: string, capabilities: CapabilitySet = NO_CAPABILITIES): DecodedRequest {
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch {
    return refused(TEXTS.invalidJson, 'the frame is not valid JSON, expected a JSON object')
  }
  if (!isJsonObject(frame)) return refused(TEXTS.invalidJson, `the frame ${got(frame)}, expected a JSON object`)

  const messageId = ownMember(frame, 'message_id') ?? null
  const echoProblem = messageId === null ? null : ECHO.problem(messageId, 'message_id', frame)
  const echo = echoProblem === null ? ((messageId as string | null) ?? undefined) : undefined

  const { byType, expected } = plansOf(capabilities)
  const type = ownMember(frame, 'type')
  if (type === undefined) return refused(TEXTS.missingFields, `type is missing, ${expected}`, echo)
  const plan = typeof type === 'string' ? byType.get(type) : undefined
  if (plan === undefined) return refused(TEXTS.unknownType, `type ${got(type)}, ${expected}`, echo)
  if (echoProblem !== null) return refused(plan.failure, echoProblem)

  const request: Record<string, unknown> = { type, echo }
  if (plan.fields !== null) {
    const data = ownMember(frame, 'data')
    if (!isJsonObject(data)) return refused(plan.failure, `data ${got(data)}, expected an object`, echo)
    const fields = ownMember(data, 'is_group') === true ? plan.groupFields : plan.fields
    const problem = readInto(request, data, fields ?? plan.fields)
    if (problem !== null) return refused(plan.failure, problem, echo)
  }
  return { ok: true, request: request as unknown as LegacyRequest }
}

/** Copies the planned members of `data` into the request; returns the first problem, if any. */
function readInto(request: Record<string, unknown>, data: JsonObject, plan: Plan): string | null {
  for (const { member, path, name, field } of plan) {
    const value = ownMember(data, member)
    if (field.absent !== undefined && (value === undefined || value === null || (value === '' && field.emptyIsAbsent))) {
      request[name] = field.absent
      continue
    }
    const problem = field.problem(value, path, data)
    if (problem !== null) return problem
    request[name] = value
  }
  return null
}

/** `WSGenericResponse`, in documented key order; `message_id` comes last, if present. */
function encode(type: string, code: number, msg: string, data: unknown, messageId: Echo): string {
  return JSON.stringify({ type, code, msg, data, message_id: messageId })
}

/** The first frame of a connection (section 1). */
export function encodeConnectionEstablished(about: { userId: number; connectionId: string; serverTime: Date }): string {
  const data = { user_id: about.userId, connection_id: about.connectionId, server_time: formatTimestamp(about.serverTime) }
  return encode('connection_established', 200, TEXTS.connected, data, undefined)
}

/** The response to a request that was executed (section 3). */
export function encodeSuccess(type: Exclude<RequestType, 'resume' | 'auth' | 'capabilities'>, echo: Echo): string {
  const { response } = REQUESTS[type]
  return encode(response.type, 200, TEXTS.success, response.data, echo)
}

/** The response to `ping` and `heartbeat` (section 3.6). */
export const encodeHeartbeat = (echo: Echo): string => encodeSuccess('ping', echo)

/** The response to `resume`: how many events were replayed, and whether those were all (section 6). */
export function encodeResumed({ replayed, complete }: { replayed: number; complete: boolean }, echo: Echo): string {
  const { type, data } = REQUESTS.resume.response
  return encode(type, 200, TEXTS.success, { ...data, replayed, complete }, echo)
}

/** The response to `capabilities`: those that are enabled now (section 9). */
export function encodeEnabled(enabled: CapabilitySet, echo: Echo): string {
  const { type, data } = REQUESTS.capabilities.response
  return encode(type, 200, TEXTS.success, { ...data, enabled: capabilityNames(enabled) }, echo)
}

/** The response to `auth`: until when the new token is valid. */
export function encodeAuthenticated(expiresAt: Date | string, echo: Echo): string {
  const { type, data } = REQUESTS.auth.response
  return encode(type, 200, TEXTS.success, { ...data, expires_at: formatTimestamp(expiresAt) }, echo)
}

/** An `error` frame (section 5). The error is sent as it is, so it must hold no internals. */
export function encodeError({ code, msg, error }: LegacyError, echo: Echo): string {
  return encode('error', code, msg, { code, message: msg, details: { error } }, echo)
}

/** The `msg` of every error response to a request of this type (section 5). */
export const failureText = (type: RequestType): string => REQUESTS[type].failure

/** A push; `messageId` is the id of a durable event (sections 2 and 4). */
export function encodePush<T extends PushType>(type: T, data: PushData<T>, messageId: string | undefined): string {
  return encode(type, 200, TEXTS.success, data, messageId)
}

const toTheSecond = (date: Date): string => date.toISOString().replace(/\.\d{3}Z$/, 'Z')

/** The last time that was formatted: the messages of a batch have the same, and a push shows it more than once. */
let lastTime: { time: number | string; text: string } | undefined

/** ISO 8601 UTC to the second, truncated; takes ISO text, milliseconds since 1970 or a Date (section 2). */
export function formatTimestamp(time: Date | string | number): string {
  // A Date is mutable.
  if (typeof time === 'object') return toTheSecond(time)
  if (time !== lastTime?.time) lastTime = { time, text: toTheSecond(new Date(time)) }
  return lastTime.text
}
