import { randomUUID } from 'node:crypto'
import type { PubSubEngine } from 'graphql-subscriptions'
import { hasMembers, isObject, isText } from '../lib/received.ts'

/** What nodes ask of each other: each answers, and whoever asks gets all answers. */
export interface Control {
  /**
   * Asks every node, this one included; resolves with the answers by node, without those that did not come in time or that
   * `accepts` refuses.
   */
  ask<T>(kind: string, payload: object, accepts: (result: unknown) => boolean): Promise<Map<string, T>>
  stop(): void
}

export interface ControlOptions {
  pubsub: PubSubEngine
  nodeId: string
  /** The nodes that live; an empty list where there is only this one. */
  nodes: () => Promise<readonly string[]>
  /** What this node does, by kind; what it answers must be JSON. What they are asked for comes from other nodes, unchecked. */
  handlers: Readonly<Record<string, (payload: never) => unknown>>
  onError: (error: unknown) => void
}

interface Question {
  id: string
  from: string
  kind: string
  payload: unknown
}

interface Answer {
  id: string
  node: string
  result: unknown
}

const isQuestion = hasMembers({ id: isText, from: isText, kind: isText, payload: isObject })
const isAnswer = hasMembers({ id: isText, node: isText })

const QUESTIONS = 'control'
const answersTo = (nodeId: string): string => `control:${nodeId}`

/** A question is asked again until every node has answered, since a publish may be lost. */
const ASK_AGAIN_MS = 150
const GIVE_UP_MS = 900

/** Questions and answers between the nodes, over pub/sub. A question that comes twice is carried out once. */
export async function createControl({ pubsub, nodeId, nodes, handlers, onError }: ControlOptions): Promise<Control> {
  const open = new Map<string, (answer: Answer) => void>()
  /** What this node answered lately. */
  const answered = new Map<string, unknown>()

  const answer = ({ id, from, kind, payload }: Question): void => {
    let result = answered.get(id)
    if (result === undefined) {
      result = (Object.hasOwn(handlers, kind) ? handlers[kind]?.(payload as never) : undefined) ?? null
      answered.set(id, result)
      if (answered.size > 1000) answered.delete(answered.keys().next().value as string)
    }
    pubsub.publish(answersTo(from), { id, node: nodeId, result } satisfies Answer).catch(onError)
  }

  const subscriptions = [
    await pubsub.subscribe(QUESTIONS, answer, { accepts: isQuestion }),
    await pubsub.subscribe(answersTo(nodeId), (received: Answer) => open.get(received.id)?.(received), {
      accepts: isAnswer,
    }),
  ]

  return {
    async ask<T>(kind: string, payload: object, accepts: (result: unknown) => boolean) {
      const question: Question = { id: randomUUID(), from: nodeId, kind, payload }
      const results = new Map<string, T>()
      const expected = new Set([nodeId, ...(await nodes().catch(() => []))])
      await new Promise<void>((resolve) => {
        const publish = (): void => void pubsub.publish(QUESTIONS, question).catch(onError)
        const again = setInterval(publish, ASK_AGAIN_MS)
        const limit = setTimeout(finish, GIVE_UP_MS)
        function finish(): void {
          clearInterval(again)
          clearTimeout(limit)
          open.delete(question.id)
          resolve()
        }
        open.set(question.id, ({ node, result }) => {
          if (accepts(result)) results.set(node, result as T)
          expected.delete(node)
          if (expected.size === 0) finish()
        })
        publish()
      })
      return results
    },

    stop() {
      for (const subscription of subscriptions) pubsub.unsubscribe(subscription)
    },
  }
}
