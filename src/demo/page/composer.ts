/** The input for messages. It accepts any length and says what is too long: pasted text must not be cut. */
import { h, setAttributes } from './dom.ts'
import type { Text } from './text.ts'

/** As the server counts: code points. */
const LIMIT = 5000
/** The counter is shown from this length on. */
const NEAR = 4500

export interface Composer {
  readonly element: HTMLElement
  /** The open conversation; undefined: none, and nothing can be written. */
  show(title: string | undefined, text: Text): void
  focus(): void
  /** The message being replied to or edited; undefined: none. */
  about(label: string | undefined, text: Text): void
  /** Inserts an existing text for editing. */
  edit(content: string): void
  /** Inserts a text as if it had been typed. */
  fill(content: string): void
  submit(): void
}

export interface ComposerOptions {
  id: string
  onSend: (content: string) => void
  /** Called at every change. */
  onInput: (isEmpty: boolean) => void
  /** The reply or edit was cancelled. */
  onCancel: () => void
}

export function createComposer({ id, onSend, onInput, onCancel }: ComposerOptions): Composer {
  const counter = h('p', { class: 'counter', id, role: 'status' })
  const input = h('textarea', { rows: 1, autocomplete: 'off', name: 'message', 'aria-describedby': id })
  const send = h('button', { type: 'submit', class: 'primary' })
  const label = h('p', { class: 'about-text' })
  const cancel = h('button', { type: 'button', class: 'quiet' }, '✕')
  const about = h('div', { class: 'about', hidden: true }, label, cancel)
  const element = h('form', { class: 'composer' }, about, counter, input, send)
  let text: Text

  function count(): void {
    const length = [...input.value.trim()].length
    const excess = length - LIMIT
    counter.hidden = length < NEAR
    counter.textContent = counter.hidden ? '' : excess > 0 ? text.tooLong(excess, LIMIT) : text.counted(length, LIMIT)
    setAttributes(input, { 'aria-invalid': excess > 0 ? 'true' : undefined })
    send.disabled = excess > 0
  }

  const composer: Composer = {
    element,
    show(title, next) {
      text = next
      element.hidden = title === undefined
      send.textContent = text.send
      if (title !== undefined) setAttributes(input, { placeholder: text.write(title), 'aria-label': text.write(title) })
      count()
    },
    focus: () => input.focus(),
    about(shown, next) {
      about.hidden = shown === undefined
      label.textContent = shown ?? ''
      setAttributes(cancel, { 'aria-label': next.cancel })
    },
    edit(content) {
      input.value = content
      count()
    },
    fill(content) {
      input.value = content
      count()
      onInput(content === '')
    },
    submit() {
      const content = input.value.trim()
      if (content === '' || send.disabled) return
      input.value = ''
      count()
      onSend(content)
    },
  }

  element.addEventListener('submit', (event) => {
    event.preventDefault()
    composer.submit()
  })
  cancel.addEventListener('click', () => onCancel())
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || about.hidden) return
    event.stopPropagation()
    onCancel()
  })
  input.addEventListener('keydown', (event) => {
    // While an input method is composing, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    composer.submit()
  })
  input.addEventListener('input', () => {
    count()
    onInput(input.value === '')
  })
  return composer
}
