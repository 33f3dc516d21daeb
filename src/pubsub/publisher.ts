import { inSpan, SpanKind, traceParent, tracing, type TraceParent } from '../telemetry/tracing.ts'
import type { PubSubEngine } from 'graphql-subscriptions'

/**
 * A message on a topic. With `seq` it is an entry of the event log: a hint that may be lost, late or duplicated, since
 * receivers count and read the log. Without, it is an ephemeral event, delivered at most once.
 */
export interface Hint {
  seq: number | null
  /** The span that published it, if traced; optional for compatibility with older nodes. */
  trace?: TraceParent | undefined
  event: { id: number | null; at: number; kind: string; payload: unknown }
}

/** How to subscribe. */
export interface SubscribeOptions {
  /** Whether a message from another node is what this channel carries; others are dropped and reported. */
  accepts?: (hint: unknown) => boolean
}

/** The channel of events for subscribers of several topics at once; each subscriber receives such an event once. */
export const AUDIENCE_CHANNEL = 'audience'

/** An ephemeral event for every subscriber to one of `topics`. */
export interface AudienceHint {
  topics: readonly string[]
  event: Hint['event']
}

export interface Publisher {
  /** Publishes committed entries of the event log; returns at once, failures are reported and never thrown. */
  entries(entries: readonly (Pick<Hint, 'event' | 'trace'> & { topic: string; seq: number })[]): void
  /** Publishes an ephemeral event to one topic. */
  ephemeral(topic: string, event: Hint['event']): void
  /** Publishes an ephemeral event to the subscribers of several topics. */
  audience(topics: readonly string[], event: Hint['event']): void
}

/** Publishes through `pubsub`. `onFailure` is called for each publish that the engine refused, and for a subscriber's bug. */
export function createPublisher(pubsub: PubSubEngine, onFailure: (error: unknown) => void): Publisher {
  async function publish(channel: string, hint: Hint | AudienceHint): Promise<void> {
    try {
      await pubsub.publish(channel, hint)
    } catch (error) {
      onFailure(error)
    }
  }
  return {
    entries(entries) {
      for (const { topic, seq, event, trace } of entries) {
        if (!tracing.isOn) void publish(topic, { seq, event })
        else
          inSpan(
            {
              name: `publish ${event.kind}`,
              kind: SpanKind.PRODUCER,
              parent: trace ?? traceParent(),
              attributes: { 'parley.topic': topic, 'parley.seq': seq },
            },
            () => publish(topic, { seq, event, trace: traceParent() }),
          ).catch(onFailure)
      }
    },
    ephemeral(topic, event) {
      void publish(topic, { seq: null, event })
    },
    audience(topics, event) {
      void publish(AUDIENCE_CHANNEL, { topics, event })
    },
  }
}
