import { h, replaceChildren } from './dom.ts'
import type { Chat, Conversation, Message } from './chat.ts'
import { avatarOf } from './conversation-list.ts'
import type { Text } from './text.ts'

const REACTIONS = ['👍', '❤️', '😂', '🎉', '👀'] as const

/** A message that the server has not accepted yet. */
export interface Pending {
  readonly key: string
  readonly conversationId: string
  readonly content: string
  readonly replyToId: string | null
  /** Why it was refused. */
  problem: string | undefined
}

export interface MessageActions {
  react: (message: Message, reaction: string, isAdded: boolean) => void
  answer: (message: Message) => void
  edit: (message: Message) => void
  delete: (message: Message) => void
  markUnread: (message: Message) => void
  retry: (pending: Pending) => void
  loadOlder: () => void
  /** Puts a first message into the input. */
  greet: () => void
}

export interface MessageList {
  readonly element: HTMLElement
  show(chat: Chat, conversation: Conversation | undefined, pending: readonly Pending[], text: Text): void
  /** Draws one message again. */
  update(chat: Chat, message: Message, text: Text): void
  /** Scrolls to a message that is shown and gives it the focus; false where it is not. */
  goTo(messageId: string): boolean
}

const isMine = (chat: Chat, { sender }: Message): boolean => sender.id === chat.me.id

export function createMessageList(actions: MessageActions): MessageList {
  const older = h('button', { type: 'button', class: 'quiet older' })
  const list = h('ol', { class: 'messages' })
  const empty = h('div', { class: 'empty' })
  const element = h('div', { class: 'messages-scroller', tabindex: 0, role: 'log' }, older, empty, list)
  const drawn = new Map<string, HTMLElement>()
  let shownId: string | undefined
  /** The message whose reactions can be chosen. */
  let pickerOf: string | undefined
  older.addEventListener('click', () => actions.loadOlder())

  function draw(chat: Chat, message: Message, text: Text): HTMLElement {
    const { id, sender, content, isResumed, isGroup, isEdited, isDeleted } = message
    const item = drawn.get(id) ?? h('li', { 'data-message': id })
    drawn.set(id, item)
    item.className = `message${isMine(chat, message) ? ' is-mine' : ''}${isResumed ? ' is-resumed' : ''}`
    const footer = [
      isResumed && h('span', { class: 'late' }, `↻ ${text.late}`),
      isEdited && !isDeleted && h('span', { class: 'edited' }, text.edited),
      timeOf(message, text),
      isMine(chat, message) && receiptOf(chat, message, text),
    ]
    const bubble = h(
      'div',
      { class: 'bubble' },
      isGroup && !isMine(chat, message) && h('span', { class: `sender user-${Number(sender.id) % 5}` }, sender.name),
      quoteOf(chat, message, text),
      isDeleted ? h('p', { class: 'deleted' }, text.deleted) : h('p', {}, content),
      h('div', { class: 'meta' }, ...footer),
    )
    if (isDeleted) {
      replaceChildren(item, bubble)
      return item
    }
    const redraw = (): void => void draw(chat, message, text)
    const picker = pickerOf === id && pickerFor(chat, message, text, redraw)
    const chips = chipsOf(chat, message, text)
    const reactions = (chips.length > 0 || picker) && h('div', { class: 'reactions' }, ...chips, picker)
    replaceChildren(item, bubble, addButton(message, text, redraw), reactions)
    return item
  }

  function chipsOf(chat: Chat, message: Message, text: Text): HTMLElement[] {
    return [...message.reactions].map(([reaction, userIds]) => {
      const mine = userIds.includes(chat.me.id)
      const names = userIds.map((userId) => nameOf(chat, message, userId, text)).join(', ')
      const attributes = { type: 'button', class: 'chip', 'aria-pressed': String(mine), 'data-key': reaction, title: names }
      const label = `${reaction} ${userIds.length}`
      const chip = h('button', { ...attributes, 'aria-label': text.reaction(label, names) }, label)
      chip.addEventListener('click', () => actions.react(message, reaction, !mine))
      return chip
    })
  }

  function addButton({ id }: Message, text: Text, redraw: () => void): HTMLElement {
    const attributes = { type: 'button', class: 'add', 'aria-label': text.react, 'aria-expanded': String(pickerOf === id) }
    const button = h('button', { ...attributes, 'data-key': 'add' }, '☺')
    button.addEventListener('click', () => {
      const before = pickerOf
      pickerOf = before === id ? undefined : id
      if (before !== undefined && before !== id) closePicker(before)
      redraw()
      // For the last message it is below the visible area.
      drawn.get(id)?.scrollIntoView({ block: 'nearest' })
    })
    return button
  }

  function closePicker(id: string): void {
    drawn.get(id)?.querySelector('.picker')?.remove()
    drawn.get(id)?.querySelector('.add')?.setAttribute('aria-expanded', 'false')
  }

  function pickerFor(chat: Chat, message: Message, text: Text, redraw: () => void): HTMLElement {
    const action = (key: string, label: string, act: (message: Message) => void): HTMLElement => {
      const button = h('button', { type: 'button', class: 'chip', 'data-key': key }, label)
      button.addEventListener('click', () => {
        pickerOf = undefined
        redraw()
        act(message)
      })
      return button
    }
    const own = isMine(chat, message)
    const others = [
      action('answer', text.answer, actions.answer),
      ...(own
        ? [action('edit', text.edit, actions.edit), action('delete', text.delete, actions.delete)]
        : [action('unread', text.markUnread, actions.markUnread)]),
    ]
    const reactions = REACTIONS.map((reaction) => {
      const button = h('button', { type: 'button', class: 'chip', 'aria-label': text.reactWith(reaction) }, reaction)
      button.dataset['key'] = `pick ${reaction}`
      button.addEventListener('click', () => {
        pickerOf = undefined
        redraw()
        drawn.get(message.id)?.querySelector<HTMLElement>('.add')?.focus()
        actions.react(message, reaction, true)
      })
      return button
    })
    const buttons: HTMLElement[] = [...reactions, ...others]
    const picker = h('div', { class: 'picker', role: 'group', 'aria-label': text.react }, ...buttons)
    picker.addEventListener('keydown', (event) => {
      const at = buttons.indexOf(document.activeElement as HTMLElement)
      if (event.key === 'ArrowRight') buttons[at + 1]?.focus()
      else if (event.key === 'ArrowLeft') buttons[at - 1]?.focus()
    })
    return picker
  }

  /** Shown instead of messages. */
  function drawEmpty(chat: Chat, conversation: Conversation | undefined, text: Text): void {
    if (!conversation) return replaceChildren(empty, h('p', { class: 'hint' }, text.chooseHint))
    if (!conversation.messages) return replaceChildren(empty, h('p', { class: 'hint' }, text.loading))
    const greet = h('button', { type: 'button', class: 'quiet', 'data-key': 'greet' }, text.greet)
    greet.addEventListener('click', () => actions.greet())
    const avatar = avatarOf(conversation, chat, text)
    replaceChildren(
      empty,
      avatar,
      h('p', {}, text.emptyTitle(conversation.title)),
      h('p', { class: 'hint' }, text.emptyHint),
      greet,
    )
  }

  // Escape closes the picker, and nothing behind it.
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || pickerOf === undefined) return
    event.stopPropagation()
    const add = drawn.get(pickerOf)?.querySelector<HTMLElement>('.add')
    closePicker(pickerOf)
    pickerOf = undefined
    add?.focus()
  })

  return {
    element,

    show(chat, conversation, pending, text) {
      older.textContent = text.older
      older.hidden = conversation?.older == null
      element.setAttribute('aria-label', conversation ? text.messages(conversation.title) : text.choose)
      element.setAttribute('aria-busy', String(conversation !== undefined && conversation.messages === undefined))
      const isOther = shownId !== conversation?.id
      if (isOther) {
        drawn.clear()
        pickerOf = undefined
      }
      shownId = conversation?.id
      const messages = conversation?.messages ?? []
      const { scrollHeight, scrollTop, clientHeight } = element
      const isAtEnd = isOther || scrollHeight - scrollTop - clientHeight < 60
      const first = list.querySelector<HTMLElement>('[data-message]')?.dataset['message']
      const hasOlder = !isOther && first !== undefined && messages[0]?.id !== first
      const items = messages.flatMap((message) => {
        const item = draw(chat, message, text)
        return message.id === conversation?.newFrom ? [h('li', { class: 'new-messages' }, text.newMessages), item] : [item]
      })
      const isEmpty = messages.length === 0 && pending.length === 0
      empty.hidden = !isEmpty
      if (isEmpty) drawEmpty(chat, conversation, text)
      place(list, [...items, ...pending.map((each) => pendingOf(each, actions, text))])
      if (hasOlder) element.scrollTop = scrollTop + element.scrollHeight - scrollHeight
      else if (isAtEnd) element.scrollTop = element.scrollHeight
    },

    goTo(messageId) {
      const item = drawn.get(messageId)
      item?.setAttribute('tabindex', '-1')
      item?.scrollIntoView({ block: 'center' })
      item?.focus({ preventScroll: true })
      return item !== undefined
    },

    update(chat, message, text) {
      if (message.conversationId !== shownId || !drawn.has(message.id)) return
      const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 60
      draw(chat, message, text)
      // A first reaction makes the last message taller.
      if (isAtEnd) element.scrollTop = element.scrollHeight
    },
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

/** The beginning of the quoted message. */
function quoteOf(chat: Chat, message: Message, text: Text): HTMLElement | undefined {
  if (message.replyToId === null) return undefined
  const quoted = chat.quoted(message)
  if (!quoted) return h('p', { class: 'quote' }, text.earlier)
  const said = quoted.isDeleted ? text.deleted : excerptOf(quoted.content)
  return h('p', { class: 'quote' }, `${nameOf(chat, message, quoted.sender.id, text)}: ${said}`)
}

/** As much of a text as fits into a line or two. */
export const excerptOf = (content: string): string => {
  const characters = [...content]
  return characters.length > 80 ? `${characters.slice(0, 80).join('')}…` : content
}

function nameOf(chat: Chat, { conversationId }: Message, userId: string, text: Text): string {
  if (userId === chat.me.id) return text.you
  return chat.get(conversationId)?.others.find(({ id }) => id === userId)?.name ?? userId
}

function timeOf({ timestamp }: Message, text: Text): HTMLElement {
  return h('time', { datetime: timestamp }, new Intl.DateTimeFormat(text.locale, CLOCK).format(new Date(timestamp)))
}

const CLOCK = { hour: '2-digit', minute: '2-digit' } as const

function receiptOf(chat: Chat, message: Message, text: Text): HTMLElement {
  const names = [...message.readBy].map((id) => nameOf(chat, message, id, text))
  if (names.length === 0) return h('span', { class: 'receipt', role: 'img', 'aria-label': text.sent, title: text.sent }, '✓')
  const label = text.readBy(names.join(', '))
  const attributes = { class: 'receipt is-read', role: 'img', 'aria-label': label, title: label }
  return h('span', attributes, message.isGroup ? `✓✓ ${names.length}` : '✓✓')
}

function pendingOf(pending: Pending, { retry }: MessageActions, text: Text): HTMLElement {
  const again = h('button', { type: 'button', class: 'quiet' }, text.again)
  again.addEventListener('click', () => retry(pending))
  const meta =
    pending.problem === undefined
      ? h('div', { class: 'meta' }, text.sending)
      : h('div', { class: 'meta problem' }, pending.problem, again)
  return h('li', { class: 'message is-mine is-pending' }, h('div', { class: 'bubble' }, h('p', {}, pending.content), meta))
}
