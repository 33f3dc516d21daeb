import { coalescingKeyOf, commonConversationOf, isDurable, type ChatEvent } from '../chat/events.ts'
import type { ActivityEvent } from './models.ts'

/** What a source emits: events of the chat, or entries of an admin's watch. */
export type SourceEvent = ChatEvent | ActivityEvent

/** How an event is delivered, whatever the transport. */
export interface Delivery {
  readonly event: SourceEvent
  /** A durable event must not be lost on its way to a client; of an ephemeral one a slow client gets only the latest. */
  readonly class: 'durable' | 'ephemeral'
  /** The coalescing key of an ephemeral event; undefined for a durable one. */
  readonly key: string | undefined
  /** The conversation all of whose members receive it; undefined where it is for fewer, or ephemeral. */
  readonly history: string | undefined
}

/** The last event: all of its subscribers get it one after the other. */
let last: Delivery | undefined
let activities = 0

/** The same object for all subscribers of an event. */
export function deliveryOf(event: SourceEvent): Delivery {
  if (last?.event !== event) last = { event, ...classOf(event) }
  return last
}

function classOf(event: SourceEvent): Omit<Delivery, 'event'> {
  // Entries of the activity trace are never coalesced.
  if (event.kind === 'activity') return { class: 'ephemeral', key: `activity ${++activities}`, history: undefined }
  if (!isDurable(event)) return { class: 'ephemeral', key: coalescingKeyOf(event), history: undefined }
  return { class: 'durable', key: undefined, history: commonConversationOf(event) }
}
