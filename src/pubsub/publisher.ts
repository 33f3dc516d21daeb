import { inSpan, SpanKind, traceParent, tracing, type TraceParent } from '../telemetry/tracing.ts'
import type { PubSubEngine } from 'graphql-subscriptions'

/**
 * What goes over a topic. With `seq`, an entry of the event log: a hint that may be lost, late or doubled, since
 * receivers count and read the log. Without, an event that is not kept: delivered at most once.
 */
export interface Hint {
  seq: number | null
  /** What published it, where that is traced; nodes that know nothing of it leave it alone. */
  trace?: TraceParent | undefined
  event: { id: number | null; at: number; kind: string; payload: unknown }
}

/** How to subscribe. */
export interface SubscribeOptions {
  /** Whether something that came from another node is what this channel carries; what is not is left out and told of. */
  accepts?: (hint: unknown) => boolean
}

/** The channel of events for listeners of several topics at once, each of whom receives such an event once. */
export const AUDIENCE_CHANNEL = 'audience'

/** An event that is not kept, for whoever listens to one of `topics`. */
export interface AudienceHint {
  topics: readonly string[]
  event: Hint['event']
}

export interface Publisher {
  /** Publishes committed entries of the event log; returns at once, a failure is reported and never thrown. */
  entries(entries: readonly (Pick<Hint, 'event' | 'trace'> & { topic: string; seq: number })[]): void
  /** Publishes an event that is not kept to one topic. */
  ephemeral(topic: string, event: Hint['event']): void
  /** Publishes an event that is not kept to the listeners of several topics. */
  audience(topics: readonly string[], event: Hint['event']): void
}

/** Publishes through `pubsub`. `onFailure` is told of every publish that the engine refused, or a subscriber's bug. */
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
