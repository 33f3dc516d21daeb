/** What a message looks like: its text, what it replies to, its reactions, and what can be done with it. */
import type { Chat } from './chat.ts'
import type { Message, Pending } from './conversation.ts'
import { h, replaceChildren } from './dom.ts'
import type { Text } from './text.ts'

const REACTIONS = ['👍', '❤️', '😂', '🎉', '👀'] as const
const CLOCK = { hour: '2-digit', minute: '2-digit' } as const

export interface MessageActions {
  react: (message: Message, reaction: string, isAdded: boolean) => void
  answer: (message: Message) => void
  edit: (message: Message) => void
  delete: (message: Message) => void
  markUnread: (message: Message) => void
  retry: (pending: Pending) => void
}

export interface MessageView {
  readonly chat: Chat
  readonly message: Message
  readonly text: Text
  readonly actions: MessageActions
  /** Whether reactions and actions can be chosen. */
  readonly hasPicker: boolean
  /** Opens the picker or closes it, and draws the message again. */
  togglePicker: () => void
  /** Draws the message again, without the picker. */
  closePicker: () => void
}

export function drawMessage(item: HTMLElement, view: MessageView): void {
  const { chat, message, hasPicker } = view
  item.className = `message${isMine(chat, message) ? ' is-mine' : ''}${message.isResumed ? ' is-resumed' : ''}`
  const bubble = bubbleOf(view)
  if (message.isDeleted) return replaceChildren(item, bubble)
  const picker = hasPicker && pickerOf(item, view)
  const chips = chipsOf(view)
  const reactions = (chips.length > 0 || picker) && h('div', { class: 'reactions' }, ...chips, picker)
  replaceChildren(item, bubble, addButtonOf(item, view), reactions)
}

export function pendingOf(pending: Pending, actions: MessageActions, text: Text): HTMLElement {
  const again = h('button', { type: 'button', class: 'quiet' }, text.again)
  again.addEventListener('click', () => actions.retry(pending))
  const meta =
    pending.problem === undefined
      ? h('div', { class: 'meta' }, text.sending)
      : h('div', { class: 'meta problem' }, pending.problem, again)
  return h('li', { class: 'message is-mine is-pending' }, h('div', { class: 'bubble' }, h('p', {}, pending.content), meta))
}

/** As much of a text as fits into a line or two. */
export const excerptOf = (content: string): string => {
  const characters = [...content]
  return characters.length > 80 ? `${characters.slice(0, 80).join('')}…` : content
}

/** What opens the picker in a drawn message. */
export const addButtonIn = (item: HTMLElement | undefined): HTMLElement | null | undefined =>
  item?.querySelector<HTMLElement>('.add')

/** Closes the picker of a message without drawing it again. */
export function removePicker(item: HTMLElement | undefined): void {
  item?.querySelector('.picker')?.remove()
  addButtonIn(item)?.setAttribute('aria-expanded', 'false')
}

const isMine = (chat: Chat, { sender }: Message): boolean => sender.id === chat.me.id

function bubbleOf({ chat, message, text }: MessageView): HTMLElement {
  const { sender, content, isResumed, isGroup, isEdited, isDeleted } = message
  const footer = [
    isResumed && h('span', { class: 'late' }, `↻ ${text.late}`),
    isEdited && !isDeleted && h('span', { class: 'edited' }, text.edited),
    timeOf(message, text),
    isMine(chat, message) && receiptOf(chat, message, text),
  ]
  return h(
    'div',
    { class: 'bubble' },
    isGroup && !isMine(chat, message) && h('span', { class: `sender user-${Number(sender.id) % 5}` }, sender.name),
    quoteOf(chat, message, text),
    isDeleted ? h('p', { class: 'deleted' }, text.deleted) : h('p', {}, content),
    h('div', { class: 'meta' }, ...footer),
  )
}

/** The beginning of the quoted message. */
function quoteOf(chat: Chat, message: Message, text: Text): HTMLElement | undefined {
  if (message.replyToId === null) return undefined
  const quoted = chat.quoted(message)
  if (!quoted) return h('p', { class: 'quote' }, text.earlier)
  const said = quoted.isDeleted ? text.deleted : excerptOf(quoted.content)
  return h('p', { class: 'quote' }, `${nameOf(chat, message, quoted.sender.id, text)}: ${said}`)
}

function nameOf(chat: Chat, { conversationId }: Message, userId: string, text: Text): string {
  if (userId === chat.me.id) return text.you
  return chat.get(conversationId)?.others.find(({ id }) => id === userId)?.name ?? userId
}

function timeOf({ timestamp }: Message, text: Text): HTMLElement {
  return h('time', { datetime: timestamp }, new Intl.DateTimeFormat(text.locale, CLOCK).format(new Date(timestamp)))
}

function receiptOf(chat: Chat, message: Message, text: Text): HTMLElement {
  const names = [...message.readBy].map((id) => nameOf(chat, message, id, text))
  if (names.length === 0) return h('span', { class: 'receipt', role: 'img', 'aria-label': text.sent, title: text.sent }, '✓')
  const label = text.readBy(names.join(', '))
  const attributes = { class: 'receipt is-read', role: 'img', 'aria-label': label, title: label }
  return h('span', attributes, message.isGroup ? `✓✓ ${names.length}` : '✓✓')
}

function chipsOf({ chat, message, text, actions }: MessageView): HTMLElement[] {
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

function addButtonOf(item: HTMLElement, { text, hasPicker, togglePicker }: MessageView): HTMLElement {
  const attributes = { type: 'button', class: 'add', 'aria-label': text.react, 'aria-expanded': String(hasPicker) }
  const button = h('button', { ...attributes, 'data-key': 'add' }, '☺')
  button.addEventListener('click', () => {
    togglePicker()
    // For the last message it is below the visible area.
    item.scrollIntoView({ block: 'nearest' })
  })
  return button
}

/** The reactions and actions to choose from; the arrow keys go from one to the next. */
function pickerOf(item: HTMLElement, view: MessageView): HTMLElement {
  const buttons = [...reactionButtons(item, view), ...actionButtons(view)]
  const picker = h('div', { class: 'picker', role: 'group', 'aria-label': view.text.react }, ...buttons)
  picker.addEventListener('keydown', (event) => {
    const at = buttons.indexOf(document.activeElement as HTMLElement)
    if (event.key === 'ArrowRight') buttons[at + 1]?.focus()
    else if (event.key === 'ArrowLeft') buttons[at - 1]?.focus()
  })
  return picker
}

function reactionButtons(item: HTMLElement, { message, text, actions, closePicker }: MessageView): HTMLElement[] {
  return REACTIONS.map((reaction) => {
    const attributes = { type: 'button', class: 'chip', 'aria-label': text.reactWith(reaction) }
    const button = h('button', { ...attributes, 'data-key': `pick ${reaction}` }, reaction)
    button.addEventListener('click', () => {
      closePicker()
      addButtonIn(item)?.focus()
      actions.react(message, reaction, true)
    })
    return button
  })
}

function actionButtons({ chat, message, text, actions, closePicker }: MessageView): HTMLElement[] {
  const button = (key: string, label: string, act: () => void): HTMLElement => {
    const element = h('button', { type: 'button', class: 'chip', 'data-key': key }, label)
    element.addEventListener('click', () => {
      closePicker()
      act()
    })
    return element
  }
  const answer = button('answer', text.answer, () => actions.answer(message))
  if (!isMine(chat, message)) return [answer, button('unread', text.markUnread, () => actions.markUnread(message))]
  return [
    answer,
    button('edit', text.edit, () => actions.edit(message)),
    button('delete', text.delete, () => actions.delete(message)),
  ]
}
