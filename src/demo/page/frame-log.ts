/** The frames of a pane, newest last; contents are shown on request. */
import { h, replaceChildren, setAttributes } from './dom.ts'
import type { Frame } from './line.ts'
import type { Behind } from './operations.ts'
import type { Text } from './text.ts'

const LIMIT = 200
/** Tokens must not be readable over someone's shoulder. */
const TOKEN = /\bey[\w-]+\.[\w-]+\.[\w-]+/g

export interface FrameLog {
  readonly element: HTMLElement
  add(frame: Frame, behind?: Behind): void
  clear(): void
  speak(text: Text): void
}

interface Envelope {
  readonly type: string
  /** For an operation over GraphQL: `subscribe` starts it, `next` and `complete` belong to it. */
  readonly id?: string
  readonly message_id?: string
  readonly data?: { readonly success?: unknown } | null
  readonly payload?: { readonly query?: string; readonly data?: Record<string, { readonly __typename?: string }> }
}

/** `paneId` is the id of the pane's heading. */
export function createFrameLog(paneId: string): FrameLog {
  const id = `${paneId}-frames`
  const heading = h('h3', { id })
  const size = h('button', { type: 'button', class: 'quiet size' })
  const clear = h('button', { type: 'button', class: 'quiet' })
  const empty = h('p', { class: 'hint' })
  const list = h('ol', { class: 'frames' })
  const scroller = h(
    'div',
    { class: 'frames-scroller', tabindex: 0, role: 'region', 'aria-labelledby': `${paneId} ${id}` },
    empty,
    list,
  )
  const element = h('section', { class: 'frame-log' }, h('header', {}, heading, size, clear), scroller)
  let text: Text
  /** The operations in progress on the connection, by id. */
  const operations = new Map<string, string>()

  function operationOf({ type, id, payload }: Envelope): string | undefined {
    if (id === undefined) return undefined
    const [named] = /\b\w+ \w+/.exec(payload?.query ?? '') ?? []
    if (type === 'subscribe' && named !== undefined) operations.set(id, named)
    const operation = operations.get(id)
    if (type === 'complete' || type === 'error') operations.delete(id)
    return operation
  }

  function drawSize(): void {
    const isLarge = element.classList.contains('is-large')
    size.textContent = isLarge ? text.smaller : text.larger
    setAttributes(size, { 'aria-expanded': String(isLarge) })
  }

  const log: FrameLog = {
    element,
    add(frame, behind) {
      const isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40
      empty.hidden = true
      list.append(h('li', {}, frame.direction === 'note' ? noteOf(frame) : rowOf(frame, behind, () => text, operationOf)))
      // A new connection does not know the old one's operations.
      if (frame.direction === 'note') operations.clear()
      while (list.childElementCount > LIMIT) list.firstElementChild?.remove()
      if (isAtEnd) scroller.scrollTop = scroller.scrollHeight
    },
    clear() {
      list.replaceChildren()
      empty.hidden = false
    },
    speak(next) {
      text = next
      heading.textContent = text.frames
      clear.textContent = text.clear
      drawSize()
      empty.textContent = text.noFrames
      // Open entries were written in the other language.
      for (const details of list.querySelectorAll('details')) details.open = false
    },
  }
  clear.addEventListener('click', () => log.clear())
  size.addEventListener('click', () => {
    element.classList.toggle('is-large')
    drawSize()
  })
  return log
}

const timeOf = ({ at }: Frame): HTMLElement => {
  const iso = new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString()
  return h('time', { datetime: new Date(at).toISOString() }, iso.slice(11, 23))
}

const noteOf = (frame: Frame): HTMLElement => h('div', { class: 'note' }, timeOf(frame), h('span', {}, frame.text))

function rowOf(
  frame: Frame,
  behind: Behind | undefined,
  text: () => Text,
  operationOf: (envelope: Envelope) => string | undefined,
): HTMLElement {
  const isOut = frame.direction === 'out'
  const arrow = h('span', { class: `arrow ${frame.direction}`, role: 'img' }, isOut ? '↑' : '↓')
  setAttributes(arrow, { 'aria-label': isOut ? text().sentFrame : text().receivedFrame })
  const envelope = JSON.parse(frame.text) as Envelope
  const operation = operationOf(envelope)
  const event = envelope.payload?.data?.['events']?.__typename
  const name = [envelope.type, event ?? operation].filter(Boolean).join(' · ')
  // An event is shown by its type; the operation it belongs to is shown behind it, as for the legacy protocol.
  const origin = behind?.title ?? (event === undefined ? undefined : operation)
  const summary = h(
    'summary',
    {},
    timeOf(frame),
    arrow,
    h('code', { class: 'name' }, name),
    origin !== undefined && h('code', { class: 'behind' }, origin),
  )
  const details = h('details', {}, summary)
  details.addEventListener('toggle', () => {
    if (!details.open) return replaceChildren(details, summary)
    const body = h('div', { class: 'frame-body' }, codeOf(shown(envelope)))
    if (behind) body.append(behindOf(behind, envelope, isOut, text()))
    replaceChildren(details, summary, body)
    details.scrollIntoView({ block: 'nearest' })
  })
  return details
}

function behindOf(behind: Behind, { data }: Envelope, isOut: boolean, text: Text): HTMLElement {
  const isEvent = !behind.title.includes(' ')
  const title = isEvent ? text.cameFrom : isOut || data?.success === undefined ? text.became : text.answers
  const element = h('div', { class: 'behind-body' }, h('h4', {}, title(behind.title)), codeOf(behind.text))
  if (behind.variables) element.append(h('h4', {}, text.variables), codeOf(shown(behind.variables)))
  void behind.event?.().then(
    (event) => event !== undefined && element.append(h('h4', {}, text.event), codeOf(shown(event))),
    // Without it there is still the selection.
    () => undefined,
  )
  return element
}

const shown = (value: unknown): string => JSON.stringify(value, null, 2).replace(TOKEN, '…')

/** Can be scrolled by keyboard. */
const codeOf = (text: string): HTMLElement => h('pre', { tabindex: 0 }, text)
