/** The frames of a pane as they pass, newest last; what is in them is shown when asked for. */
import { h, replaceChildren, setAttributes } from './dom.ts'
import type { Frame } from './line.ts'
import type { Behind } from './operations.ts'
import type { Text } from './text.ts'

const LIMIT = 200
/** Tokens are not for looking over shoulders. */
const TOKEN = /\bey[\w-]+\.[\w-]+\.[\w-]+/g

export interface FrameLog {
  readonly element: HTMLElement
  add(frame: Frame, behind?: Behind): void
  clear(): void
  speak(text: Text): void
}

interface Envelope {
  readonly type: string
  readonly message_id?: string
  readonly data?: { readonly success?: unknown } | null
  readonly payload?: { readonly query?: string; readonly data?: Record<string, { readonly __typename?: string }> }
}

/** `paneId` is the id of the pane's heading. */
export function createFrameLog(paneId: string): FrameLog {
  const id = `${paneId}-frames`
  const heading = h('h3', { id })
  const clear = h('button', { type: 'button', class: 'quiet' })
  const empty = h('p', { class: 'hint' })
  const list = h('ol', { class: 'frames' })
  const scroller = h(
    'div',
    { class: 'frames-scroller', tabindex: 0, role: 'region', 'aria-labelledby': `${paneId} ${id}` },
    empty,
    list,
  )
  const element = h('section', { class: 'frame-log' }, h('header', {}, heading, clear), scroller)
  let text: Text

  const log: FrameLog = {
    element,
    add(frame, behind) {
      const isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40
      empty.hidden = true
      list.append(h('li', {}, frame.direction === 'note' ? noteOf(frame) : rowOf(frame, behind, () => text)))
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
      empty.textContent = text.noFrames
      // What is open was written in the other language.
      for (const details of list.querySelectorAll('details')) details.open = false
    },
  }
  clear.addEventListener('click', () => log.clear())
  return log
}

const timeOf = ({ at }: Frame): HTMLElement => {
  const iso = new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString()
  return h('time', { datetime: new Date(at).toISOString() }, iso.slice(11, 23))
}

const noteOf = (frame: Frame): HTMLElement => h('div', { class: 'note' }, timeOf(frame), h('span', {}, frame.text))

function rowOf(frame: Frame, behind: Behind | undefined, text: () => Text): HTMLElement {
  const isOut = frame.direction === 'out'
  const arrow = h('span', { class: `arrow ${frame.direction}`, role: 'img' }, isOut ? '↑' : '↓')
  setAttributes(arrow, { 'aria-label': isOut ? text().sentFrame : text().receivedFrame })
  const envelope = JSON.parse(frame.text) as Envelope
  const summary = h(
    'summary',
    {},
    timeOf(frame),
    arrow,
    h('code', { class: 'name' }, nameOf(envelope)),
    behind && h('code', { class: 'behind' }, behind.title),
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

/** The type, and for GraphQL over WebSocket what it carries. */
function nameOf({ type, payload }: Envelope): string {
  const [operation] = /\b\w+ \w+/.exec(payload?.query ?? '') ?? []
  const typename = payload?.data?.['events']?.__typename
  return [type, operation ?? typename].filter(Boolean).join(' · ')
}

function behindOf(behind: Behind, { data }: Envelope, isOut: boolean, text: Text): HTMLElement {
  const isEvent = !behind.title.includes(' ')
  const title = isEvent ? text.cameFrom : isOut || data?.success === undefined ? text.became : text.answers
  const element = h('div', { class: 'behind-body' }, h('h4', {}, title(behind.title)), codeOf(behind.text))
  if (behind.variables) element.append(h('h4', {}, text.variables), codeOf(shown(behind.variables)))
  void behind.event?.().then(
    (event) => event !== undefined && element.append(h('h4', {}, text.event), codeOf(shown(event))),
    // Without it there is still what it was selected by.
    () => undefined,
  )
  return element
}

const shown = (value: unknown): string => JSON.stringify(value, null, 2).replace(TOKEN, '…')

/** Can be scrolled by keyboard. */
const codeOf = (text: string): HTMLElement => h('pre', { tabindex: 0 }, text)
