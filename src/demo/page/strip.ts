/** One line above the messages: what was resumed, temporarily, or what went wrong. */
import { h } from './dom.ts'
import type { Text } from './text.ts'

/** Long enough to read, in milliseconds. */
const SHOWN = 10_000

export interface Strip {
  readonly element: HTMLElement
  /** What the open conversation resumed; called again while more arrives. */
  resumed(conversationId: string | undefined, count: number, after: string): void
  failed(problem: string): void
  /** Clears the problem, and on request what was resumed. */
  clear(alsoResumed?: boolean): void
  show(conversationId: string | undefined, text: Text): void
}

export function createStrip(): Strip {
  const element = h('p', { class: 'strip', role: 'status', hidden: true })
  let resume: { conversationId: string | undefined; count: number; after: string } | undefined
  let problem: string | undefined
  let timer: number | undefined
  let shown: { conversationId: string | undefined; text: Text } | undefined

  function draw(): void {
    if (!shown) return
    const own = resume?.conversationId === shown.conversationId ? resume : undefined
    element.hidden = problem === undefined && own === undefined
    element.classList.toggle('is-problem', problem !== undefined)
    element.textContent = problem ?? (own ? `↻ ${shown.text.resumed(own.count, own.after)}` : '')
  }

  return {
    element,
    resumed(conversationId, count, after) {
      // Nothing was missed: nothing to show.
      if (count === 0) return
      resume = { conversationId, count, after }
      clearTimeout(timer)
      timer = setTimeout(() => {
        resume = undefined
        draw()
      }, SHOWN)
      draw()
    },
    failed(what) {
      problem = what
      draw()
    },
    clear(alsoResumed = true) {
      problem = undefined
      if (alsoResumed) resume = undefined
      draw()
    },
    show(conversationId, text) {
      shown = { conversationId, text }
      draw()
    },
  }
}
