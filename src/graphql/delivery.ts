import { coalescingKeyOf, isDurable, type ChatEvent } from '../chat/events.ts'
import type { ActivityEvent } from './models.ts'

/** What comes through a source: of the chat, or of what an administrator watches. */
export type SourceEvent = ChatEvent | ActivityEvent

/** How an event is delivered, whatever the transport. */
export interface Delivery {
  readonly event: SourceEvent
  /** A durable event must not get lost on its way to a client; of an ephemeral one a slow client gets the latest only. */
  readonly class: 'durable' | 'ephemeral'
  /** What an ephemeral event is coalesced by; undefined for a durable one. */
  readonly key: string | undefined
}

/** The last one: an event reaches all of its subscribers one after the other. */
let last: Delivery | undefined
let activities = 0

/** The same object for all subscribers of an event. */
export function deliveryOf(event: SourceEvent): Delivery {
  if (last?.event !== event) last = { event, ...classOf(event) }
  return last
}

function classOf(event: SourceEvent): Pick<Delivery, 'class' | 'key'> {
  // Each entry of the activity trace says something of its own.
  if (event.kind === 'activity') return { class: 'ephemeral', key: `activity ${++activities}` }
  return isDurable(event) ? { class: 'durable', key: undefined } : { class: 'ephemeral', key: coalescingKeyOf(event) }
}
