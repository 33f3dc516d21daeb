/** Three steps that say what to do here, and a button that plays them. */
import { h, replaceChildren, setAttributes } from './dom.ts'
import type { Pane } from './pane.ts'
import type { Text } from './text.ts'

const HIDDEN = 'parley-demo-guide-hidden'
const PATIENCE_MS = 30_000
/** Pause between steps, so that eyes can follow. */
const PAUSE_MS = 1200

export interface Guide {
  readonly element: HTMLElement
  /** Shows and hides the guide. */
  readonly toggle: HTMLElement
  hide(): void
  speak(text: Text): void
}

/** `bring` shows a pane if there is room for only one. */
export function createGuide(panes: () => readonly [Pane, Pane], bring: (pane: Pane) => void): Guide {
  const toggle = h('button', { type: 'button', class: 'guide-toggle', 'aria-controls': 'guide' }, '?')
  const steps = h('ol')
  const play = h('button', { type: 'button', class: 'primary' })
  const element = h('section', { class: 'guide', id: 'guide' }, steps, play)
  let text: Text
  /** The step being played, from 0; undefined: none. */
  let current: number | undefined
  let isDone = false

  function draw(): void {
    const items = text.steps.map((step, index) => {
      const isPast = isDone || (current !== undefined && index < current)
      const isCurrent = index === current
      const number = h('span', { class: 'step-number', 'aria-hidden': 'true' }, isPast ? '✓' : String(index + 1))
      const attributes = { class: isPast ? 'is-done' : undefined, 'aria-current': isCurrent ? 'step' : undefined }
      return h('li', attributes, number, h('span', {}, step))
    })
    replaceChildren(steps, ...items)
    play.textContent = current === undefined ? (isDone ? text.playAgain : text.play) : text.playing
    setAttributes(play, { 'aria-disabled': current === undefined ? undefined : 'true' })
    setAttributes(toggle, { 'aria-expanded': String(!element.hidden), 'aria-label': text.guide, title: text.guide })
    setAttributes(element, { 'aria-label': text.guide })
  }

  function setHidden(isHidden: boolean): void {
    element.hidden = isHidden
    draw()
  }

  async function run(): Promise<void> {
    const [left, right] = panes()
    const step = (index: number): void => {
      current = index
      draw()
    }
    /** Has one side write, and waits until the other has received it, unless its connection is cut. */
    const say = async (from: Pane, to: Pane, content: string, arrives = true): Promise<void> => {
      bring(from)
      const seen = (arrives ? to : from).count(content)
      await from.write(content)
      await until(() => (arrives ? to : from).count(content) > seen)
      await pause()
    }

    step(0)
    if (left.userId() === right.userId()) right.become(left.otherUserId())
    await until(() => left.isConnected() && right.isConnected())
    await Promise.all([left.openPeer(right.userId()), right.openPeer(left.userId())])
    await say(left, right, text.tour.hello(left.protocol()))
    await say(right, left, text.tour.answer(right.protocol()))
    step(1)
    bring(left)
    left.setCut(true)
    await pause()
    const [first, second] = text.tour.missed
    const missed = left.count(second)
    await say(right, left, first, false)
    await say(right, left, second, false)
    step(2)
    bring(left)
    await pause()
    left.setCut(false)
    await until(() => left.count(second) > missed)
    await pause()
  }

  toggle.addEventListener('click', () => {
    setHidden(!element.hidden)
    if (element.hidden) localStorage.setItem(HIDDEN, '1')
    else localStorage.removeItem(HIDDEN)
  })
  play.addEventListener('click', () => {
    if (current !== undefined) return
    isDone = false
    void run()
      .then(() => (isDone = true))
      // The user changed the panes meanwhile, or the server is down: the panes themselves show that.
      .catch(() => panes()[0].setCut(false))
      .finally(() => {
        current = undefined
        draw()
      })
  })

  element.hidden = localStorage.getItem(HIDDEN) !== null
  return {
    element,
    toggle,
    hide: () => setHidden(true),
    speak(next) {
      text = next
      draw()
    },
  }
}

const pause = (ms = PAUSE_MS): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (!holds()) {
    if (Date.now() > end) throw new Error('it did not happen')
    await pause(50)
  }
}
