import { h, replaceChildren } from './dom.ts'
import type { Chat } from './chat.ts'
import type { Conversation } from './conversation.ts'
import type { Text } from './text.ts'

export interface ConversationList {
  readonly element: HTMLElement
  show(chat: Chat, openId: string | undefined, text: Text): void
  focus(): void
}

/** The conversations as buttons; the arrow keys go from one to the next. */
export function createConversationList(choose: (id: string) => void): ConversationList {
  const list = h('ul')
  const element = h('nav', { class: 'conversations' }, list)
  element.addEventListener('keydown', (event) => {
    const buttons = [...list.querySelectorAll('button')]
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement)
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }
    const next = buttons[steps[event.key] ?? -1]
    if (!next) return
    event.preventDefault()
    next.focus()
  })

  return {
    element,
    show(chat, openId, text) {
      const items = chat.conversations().map((conversation) => {
        const { id } = conversation
        const attributes = { type: 'button', 'data-key': id, 'aria-current': id === openId ? 'true' : undefined }
        const button = h('button', attributes, ...rowOf(conversation, chat, text))
        button.addEventListener('click', () => choose(id))
        return h('li', {}, button)
      })
      replaceChildren(list, ...items)
    },
    focus() {
      const button = list.querySelector<HTMLElement>('[aria-current]') ?? list.querySelector('button')
      button?.focus()
    },
  }
}

function rowOf(conversation: Conversation, chat: Chat, text: Text): Node[] {
  const { title, last, unread, typing } = conversation
  const names = [...typing.values()].map(({ name }) => name)
  const who = last && (last.sender.id === chat.me.id ? text.you : last.sender.name)
  const preview =
    names.length > 0 ? text.typing(names) : last ? `${who}: ${last.isDeleted ? text.deleted : last.content}` : text.noMessages
  const body = h(
    'span',
    { class: 'row-body' },
    h('span', { class: 'row-title' }, title),
    h('span', { class: names.length > 0 ? 'row-preview is-typing' : 'row-preview' }, preview),
  )
  const count = unread > 0 && h('span', { class: 'unread', 'aria-label': text.unread(unread) }, String(unread))
  return [avatarOf(conversation, chat, text), body, ...(count ? [count] : [])]
}

/** The first letter on a colour of its own, with a dot if online. */
export function avatarOf({ id, title, isGroup, peerId }: Conversation, chat: Chat, text: Text): HTMLElement {
  const [letter = ''] = title
  const hue = isGroup ? `group-${Number(id.replace(/\D/g, '')) % 5}` : `user-${Number(peerId) % 5}`
  const isOnline = peerId !== null && chat.isOnline(peerId)
  const label = !chat.knowsPresence() ? text.unknown : isOnline ? text.online : text.offline
  const dot = peerId !== null && h('span', { class: isOnline ? 'dot is-online' : 'dot', role: 'img', 'aria-label': label })
  return h('span', { class: `avatar ${hue}` }, h('span', { 'aria-hidden': 'true' }, letter), dot)
}
