/** What a frame of the legacy protocol became, by the tables and functions that the server itself uses. */
import type { DemoConfig } from '../config.ts'
import { ALL_CAPABILITIES } from '../../legacy-protocol/capabilities.ts'
import { decodeRequest } from '../../legacy-protocol/codec.ts'
import { PUSH_OF } from '../../legacy-protocol/events.ts'
import { LegacyFeedDocument } from '../../legacy-protocol/operations.generated.ts'
import { operationOf } from '../../legacy-protocol/requests.ts'
import type { Frame } from './line.ts'

/** The GraphQL behind a frame. */
export interface Behind {
  /** `mutation LegacySendMessage`, or the type of an event. */
  readonly title: string
  /** The operation's document, or the part of the feed's that selects the event. */
  readonly text: string
  readonly variables?: Readonly<Record<string, unknown>> | undefined
  /** Loads the event itself, if it is durable. */
  readonly event?: () => Promise<unknown>
}

const EVENT_OF = new Map<string, string>(Object.entries(PUSH_OF).map(([event, push]) => [push, event]))
const FEED = nameOf(LegacyFeedDocument)

/**
 * For the frames of one pane: a response belongs to the request whose `message_id` it repeats. `loadEvent` runs the feed's
 * document for one event.
 */
export function createInterpreter(
  { operations, events }: Pick<DemoConfig, 'operations' | 'events'>,
  loadEvent: (feed: string, id: string) => Promise<unknown>,
) {
  const asked = new Map<string, Behind>()

  function operation(name: string, variables?: Behind['variables']): Behind {
    const text = operations[name] ?? ''
    return { title: `${text.split(' ', 1)[0]} ${name}`, text, variables }
  }

  function requested(text: string): Behind | undefined {
    const decoded = decodeRequest(text, ALL_CAPABILITIES)
    if (!decoded.ok) return undefined
    const { request } = decoded
    // It concerns the connection alone.
    if (request.type === 'capabilities') return undefined
    // Handled by the feed: the server rewinds it to where the client was.
    if (request.type === 'resume') return operation(FEED, { after: request.lastMessageId })
    const { document, variables } = operationOf(request)
    return operation(nameOf(document), variables)
  }

  return ({ direction, text }: Frame): Behind | undefined => {
    if (direction === 'note') return undefined
    const { type, message_id: id } = JSON.parse(text) as { type: string; message_id?: string }
    if (direction === 'out') {
      const behind = requested(text)
      if (behind && id !== undefined) asked.set(id, behind)
      return behind
    }
    if (type === 'connection_established') return operation(FEED, { after: null })
    const answered = id === undefined ? undefined : asked.get(id)
    if (id !== undefined && answered) {
      asked.delete(id)
      return answered
    }
    const title = EVENT_OF.get(type)
    if (title === undefined) return undefined
    const about = { title, text: events[type] ?? '' }
    return id === undefined ? about : { ...about, event: () => loadEvent(operations[FEED] ?? '', id) }
  }
}

function nameOf(document: { definitions: readonly object[] }): string {
  const [definition] = document.definitions as readonly { name?: { value: string } }[]
  return definition?.name?.value ?? ''
}
