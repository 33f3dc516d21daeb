/** What can be done with the open conversation besides writing: search it, and block the other user. */
import type { Conversation } from './conversation.ts'
import type { Person } from './connection.ts'
import { SEARCH } from './documents.ts'
import { h, replaceChildren, setAttributes } from './dom.ts'
import { excerptOf } from './message-view.ts'
import { query } from './server.ts'
import type { Text } from './text.ts'

export interface ThreadTools {
  /** For the conversation's header. */
  readonly buttons: readonly HTMLElement[]
  /** What opens below it. */
  readonly element: HTMLElement
  show(conversation: Conversation | undefined, isBlocked: boolean, userId: string, text: Text): void
  /** Ends the search. */
  close(): void
}

export interface ThreadToolsOptions {
  block: (conversation: Conversation, blocked: boolean) => void
  /** Shows a message of the conversation, older ones loaded as far as needed. */
  goTo: (messageId: string) => Promise<void>
  failed: (error: unknown) => void
}

interface Found {
  id: string
  sender: Person
  content: string
}

/** Long enough that not each key is a search. */
const TYPED_MS = 200

export function createThreadTools({ block, goTo, failed }: ThreadToolsOptions): ThreadTools {
  const searchButton = h('button', { type: 'button', class: 'quiet thread-tool search' }, '🔍')
  const blockButton = h('button', { type: 'button', class: 'quiet thread-tool block' })
  const input = h('input', { type: 'search', autocomplete: 'off', name: 'search' })
  const count = h('p', { class: 'hint', role: 'status' })
  const results = h('ol', { class: 'results' })
  const panel = h('div', { hidden: true }, input, count, results)
  const note = h('p', { class: 'blocked-note', role: 'status' })
  const element = h('div', { class: 'thread-tools' }, note, panel)
  let shown: { conversation: Conversation; isBlocked: boolean; userId: string; text: Text } | undefined
  let timer: number | undefined
  /** Tells the answer to what is looked for now from earlier ones. */
  let searches = 0

  function clear(): void {
    searches++
    clearTimeout(timer)
    count.textContent = ''
    replaceChildren(results)
  }

  function setOpen(isOpen: boolean): void {
    panel.hidden = !isOpen
    setAttributes(searchButton, { 'aria-expanded': String(isOpen) })
    element.hidden = panel.hidden && note.hidden
    if (isOpen) return
    input.value = ''
    clear()
  }

  async function search(): Promise<void> {
    clear()
    const words = input.value.trim()
    if (words === '' || !shown) return
    const own = searches
    const { conversation, userId, text } = shown
    const variables = { text: words, conversationId: conversation.id }
    const { searchMessages } = await query<{ searchMessages: { edges: { node: Found }[] } }>(userId, SEARCH, variables)
    if (own !== searches) return
    const buttons = searchMessages.edges.map(({ node }) => resultOf(node, userId, text, () => void goTo(node.id).catch(failed)))
    count.textContent = text.found(buttons.length)
    replaceChildren(results, ...buttons.map((button) => h('li', {}, button)))
  }

  searchButton.addEventListener('click', () => {
    setOpen(panel.hidden !== false)
    if (!panel.hidden) input.focus()
  })
  blockButton.addEventListener('click', () => shown && block(shown.conversation, !shown.isBlocked))
  input.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(() => void search().catch(failed), TYPED_MS)
  })
  panel.addEventListener('keydown', (event) => {
    moveFocus(event, [input, ...results.querySelectorAll('button')])
    if (event.key !== 'Escape') return
    event.stopPropagation()
    setOpen(false)
    searchButton.focus()
  })

  return {
    buttons: [searchButton, blockButton],
    element,
    show(conversation, isBlocked, userId, text) {
      shown = conversation && { conversation, isBlocked, userId, text }
      const canBlock = conversation !== undefined && conversation.peerId !== null
      searchButton.hidden = conversation === undefined
      blockButton.hidden = !canBlock
      note.hidden = !isBlocked
      element.hidden = panel.hidden && note.hidden
      setAttributes(searchButton, { 'aria-label': text.search, title: text.search, 'aria-expanded': String(!panel.hidden) })
      setAttributes(input, { 'aria-label': text.searchFor, placeholder: text.searchFor })
      if (!conversation) return
      const { title } = conversation
      const label = isBlocked ? text.unblock(title) : text.block(title)
      blockButton.textContent = isBlocked ? '🔓' : '🚫'
      setAttributes(blockButton, { 'aria-label': label, title: label })
      note.textContent = isBlocked ? text.blocked(title) : ''
    },
    close: () => setOpen(false),
  }
}

function resultOf({ sender, content }: Found, userId: string, text: Text, onChosen: () => void): HTMLElement {
  const button = h('button', { type: 'button' }, `${sender.id === userId ? text.you : sender.name}: ${excerptOf(content)}`)
  button.addEventListener('click', onChosen)
  return button
}

/** The arrow keys go from one to the next. */
function moveFocus(event: KeyboardEvent, elements: readonly HTMLElement[]): void {
  const at = elements.indexOf(document.activeElement as HTMLElement)
  const next = event.key === 'ArrowDown' ? elements[at + 1] : event.key === 'ArrowUp' ? elements[at - 1] : undefined
  if (!next) return
  event.preventDefault()
  next.focus()
}
