/** Three steps that say what to do here, and a button that plays them. */
import { h, replaceChildren, setAttributes } from './dom.ts'
import type { Pane } from './pane.ts'
import type { Text } from './text.ts'
import { playTour } from './tour.ts'

const HIDDEN = 'parley-demo-guide-hidden'

export interface GuideOptions {
  text: Text
  panes: () => readonly [left: Pane, right: Pane]
  /** Shows a pane if there is room for only one. */
  bring: (pane: Pane) => void
}

export class Guide {
  readonly element: HTMLElement
  /** Shows and hides the guide. */
  readonly toggle = h('button', { type: 'button', class: 'guide-toggle', 'aria-controls': 'guide' }, '?')
  readonly #options: GuideOptions
  readonly #steps = h('ol')
  readonly #play = h('button', { type: 'button', class: 'primary' })
  #text: Text
  /** The step being played, from 0; undefined: none. */
  #current: number | undefined
  #isDone = false

  constructor(options: GuideOptions) {
    this.#options = options
    this.#text = options.text
    this.element = h('section', { class: 'guide', id: 'guide' }, this.#steps, this.#play)
    this.element.hidden = localStorage.getItem(HIDDEN) !== null
    this.toggle.addEventListener('click', () => this.#toggled())
    this.#play.addEventListener('click', () => this.#played())
  }

  hide(): void {
    this.#setHidden(true)
  }

  speak(text: Text): void {
    this.#text = text
    this.#draw()
  }

  /** Remembered for the next visit. */
  #toggled(): void {
    this.#setHidden(!this.element.hidden)
    if (this.element.hidden) localStorage.setItem(HIDDEN, '1')
    else localStorage.removeItem(HIDDEN)
  }

  #setHidden(isHidden: boolean): void {
    this.element.hidden = isHidden
    this.#draw()
  }

  #played(): void {
    if (this.#current !== undefined) return
    const { panes, bring } = this.#options
    this.#isDone = false
    void playTour({ panes: panes(), bring, text: () => this.#text, step: (index) => this.#setCurrent(index) })
      .then(() => (this.#isDone = true))
      // The user changed the panes meanwhile, or the server is down: the panes themselves show that.
      .catch(() => panes()[0].setCut(false))
      .finally(() => this.#setCurrent(undefined))
  }

  #setCurrent(step: number | undefined): void {
    this.#current = step
    this.#draw()
  }

  #draw(): void {
    const text = this.#text
    const isPlaying = this.#current !== undefined
    replaceChildren(this.#steps, ...text.steps.map((step, index) => this.#stepOf(step, index)))
    this.#play.textContent = isPlaying ? text.playing : this.#isDone ? text.playAgain : text.play
    setAttributes(this.#play, { 'aria-disabled': isPlaying ? 'true' : undefined })
    const expanded = String(!this.element.hidden)
    setAttributes(this.toggle, { 'aria-expanded': expanded, 'aria-label': text.guide, title: text.guide })
    setAttributes(this.element, { 'aria-label': text.guide })
  }

  #stepOf(step: string, index: number): HTMLElement {
    const isPast = this.#isDone || (this.#current !== undefined && index < this.#current)
    const number = h('span', { class: 'step-number', 'aria-hidden': 'true' }, isPast ? '✓' : String(index + 1))
    const isCurrent = index === this.#current
    const attributes = { class: isPast ? 'is-done' : undefined, 'aria-current': isCurrent ? 'step' : undefined }
    return h('li', attributes, number, h('span', {}, step))
  }
}
