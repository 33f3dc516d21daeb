/** The messages of the open conversation. */
import type { Chat } from './chat.ts'
import type { Conversation, Message, Pending } from './conversation.ts'
import { avatarOf } from './conversation-list.ts'
import { h, replaceChildren } from './dom.ts'
import { addButtonIn, drawMessage, pendingOf, removePicker, type MessageActions } from './message-view.ts'
import type { Text } from './text.ts'

/** Nearer to the end than this, in pixels, the list follows new messages. */
const NEAR_END = 60

export interface MessageListActions extends MessageActions {
  loadOlder: () => void
  /** Puts a first message into the input. */
  greet: () => void
}

export class MessageList {
  readonly element: HTMLElement
  readonly #actions: MessageListActions
  readonly #older = h('button', { type: 'button', class: 'quiet older' })
  readonly #empty = h('div', { class: 'empty' })
  readonly #list = h('ol', { class: 'messages' })
  /** By message id. */
  readonly #drawn = new Map<string, HTMLElement>()
  /** The conversation. */
  #shownId: string | undefined
  /** The message whose reactions can be chosen. */
  #pickerId: string | undefined

  constructor(actions: MessageListActions) {
    this.#actions = actions
    const attributes = { class: 'messages-scroller', tabindex: 0, role: 'log' }
    this.element = h('div', attributes, this.#older, this.#empty, this.#list)
    this.#older.addEventListener('click', () => actions.loadOlder())
    this.element.addEventListener('keydown', (event) => this.#keyPressed(event))
  }

  show(chat: Chat, conversation: Conversation | undefined, pending: readonly Pending[], text: Text): void {
    const isOther = this.#shownId !== conversation?.id
    if (isOther) {
      this.#drawn.clear()
      this.#pickerId = undefined
    }
    this.#shownId = conversation?.id
    this.#describe(conversation, text)
    const messages = conversation?.messages ?? []
    const { scrollHeight, scrollTop } = this.element
    const isAtEnd = isOther || this.#isAtEnd()
    const first = this.#list.querySelector<HTMLElement>('[data-message]')?.dataset['message']
    const hasOlder = !isOther && first !== undefined && messages[0]?.id !== first
    const items = messages.flatMap((message) => {
      const item = this.#draw(chat, message, text)
      return message.id === conversation?.newFrom ? [h('li', { class: 'new-messages' }, text.newMessages), item] : [item]
    })
    const isEmpty = messages.length === 0 && pending.length === 0
    this.#empty.hidden = !isEmpty
    if (isEmpty) this.#drawEmpty(chat, conversation, text)
    place(this.#list, [...items, ...pending.map((each) => pendingOf(each, this.#actions, text))])
    if (hasOlder) this.element.scrollTop = scrollTop + this.element.scrollHeight - scrollHeight
    else if (isAtEnd) this.#scrollToEnd()
  }

  /** Draws one message again. */
  update(chat: Chat, message: Message, text: Text): void {
    if (message.conversationId !== this.#shownId || !this.#drawn.has(message.id)) return
    const isAtEnd = this.#isAtEnd()
    this.#draw(chat, message, text)
    // A first reaction makes the last message taller.
    if (isAtEnd) this.#scrollToEnd()
  }

  /** Scrolls to a message that is shown and gives it the focus; false where it is not. */
  goTo(messageId: string): boolean {
    const item = this.#drawn.get(messageId)
    item?.setAttribute('tabindex', '-1')
    item?.scrollIntoView({ block: 'center' })
    item?.focus({ preventScroll: true })
    return item !== undefined
  }

  #isAtEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.element
    return scrollHeight - scrollTop - clientHeight < NEAR_END
  }

  #scrollToEnd(): void {
    this.element.scrollTop = this.element.scrollHeight
  }

  #describe(conversation: Conversation | undefined, text: Text): void {
    this.#older.textContent = text.older
    this.#older.hidden = conversation?.older == null
    this.element.setAttribute('aria-label', conversation ? text.messages(conversation.title) : text.choose)
    this.element.setAttribute('aria-busy', String(conversation !== undefined && conversation.messages === undefined))
  }

  #draw(chat: Chat, message: Message, text: Text): HTMLElement {
    const { id } = message
    const item = this.#drawn.get(id) ?? h('li', { 'data-message': id })
    this.#drawn.set(id, item)
    const redraw = (): void => void this.#draw(chat, message, text)
    drawMessage(item, {
      chat,
      message,
      text,
      actions: this.#actions,
      hasPicker: this.#pickerId === id,
      togglePicker: () => this.#togglePicker(id, redraw),
      closePicker: () => {
        this.#pickerId = undefined
        redraw()
      },
    })
    return item
  }

  #togglePicker(id: string, redraw: () => void): void {
    const before = this.#pickerId
    this.#pickerId = before === id ? undefined : id
    if (before !== undefined && before !== id) removePicker(this.#drawn.get(before))
    redraw()
  }

  /** Escape closes the picker, and nothing behind it. */
  #keyPressed(event: KeyboardEvent): void {
    if (event.key !== 'Escape' || this.#pickerId === undefined) return
    event.stopPropagation()
    const item = this.#drawn.get(this.#pickerId)
    removePicker(item)
    this.#pickerId = undefined
    addButtonIn(item)?.focus()
  }

  /** Shown instead of messages. */
  #drawEmpty(chat: Chat, conversation: Conversation | undefined, text: Text): void {
    if (!conversation) return replaceChildren(this.#empty, h('p', { class: 'hint' }, text.chooseHint))
    if (!conversation.messages) return replaceChildren(this.#empty, h('p', { class: 'hint' }, text.loading))
    const greet = h('button', { type: 'button', class: 'quiet', 'data-key': 'greet' }, text.greet)
    greet.addEventListener('click', () => this.#actions.greet())
    replaceChildren(
      this.#empty,
      avatarOf(conversation, chat, text),
      h('p', {}, text.emptyTitle(conversation.title)),
      h('p', { class: 'hint' }, text.emptyHint),
      greet,
    )
  }
}

/** Replaces the children without touching those already in place, since one of them may have the focus. */
function place(parent: HTMLElement, items: readonly HTMLElement[]): void {
  const wanted = new Set<Element>(items)
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove()
  for (const [index, item] of items.entries()) {
    if (parent.children[index] !== item) parent.insertBefore(item, parent.children[index] ?? null)
  }
}
