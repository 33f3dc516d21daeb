/** What the user writes: new messages, replies and new versions. */
import { randomId } from '../../clients/legacy/requests.ts'
import { createComposer, type Composer } from './composer.ts'
import type { ChatMessage } from './connection.ts'
import type { Conversation, Message, Pending } from './conversation.ts'
import { excerptOf } from './message-view.ts'
import type { Session } from './session.ts'
import type { Text } from './text.ts'

/** While the user types this is sent at this interval; the server forgets it after 10 s. */
const TYPING_MS = 3000

export interface WritingOptions {
  /** The id of the counter of characters. */
  counterId: string
  session: () => Session
  /** The open conversation. */
  opened: () => Conversation | undefined
  text: () => Text
  /** The pending messages have changed. */
  changed: () => void
}

export class Writing {
  readonly composer: Composer
  readonly #options: WritingOptions
  #pending: Pending[] = []
  /** What is written is a reply to a message, or a new version of it. */
  #about: { kind: 'answer' | 'edit'; message: Message } | undefined
  #sentTypingAt = 0

  constructor(options: WritingOptions) {
    this.#options = options
    this.composer = createComposer({
      id: options.counterId,
      onSend: (content) => this.#submit(content),
      onInput: (isEmpty) => this.#sendTyping(!isEmpty),
      onCancel: () => this.cancel(),
    })
  }

  /** The messages to a conversation that the server has not accepted yet. */
  pending(conversationId: string | undefined): Pending[] {
    return this.#pending.filter((each) => each.conversationId === conversationId)
  }

  /** Another user writes from now on. */
  reset(): void {
    this.#about = undefined
    this.#pending = []
  }

  answer(message: Message): void {
    this.#writeAbout({ kind: 'answer', message })
  }

  edit(message: Message): void {
    this.#writeAbout({ kind: 'edit', message })
    this.composer.edit(message.content)
  }

  /** It is neither a reply nor a new version. */
  cancel(): void {
    if (this.#about?.kind === 'edit') this.composer.edit('')
    this.#about = undefined
    this.#drawAbout()
  }

  /** Sends a pending message, which may have been refused before. */
  async deliver(each: Pending): Promise<void> {
    const { connection, chat } = this.#options.session()
    each.problem = undefined
    this.#options.changed()
    try {
      const target = { conversationId: each.conversationId, peerId: chat.get(each.conversationId)?.peerId ?? null }
      await connection.send(target, each.content, each.key, each.replyToId)
      this.#remove(each)
    } catch (error) {
      each.problem = error instanceof Error ? error.message : String(error)
    }
    this.#options.changed()
  }

  /** The push of a message may arrive before its sender's response: then it is no longer pending. */
  arrived({ sender, conversationId, content }: ChatMessage): void {
    if (sender.id !== this.#options.session().chat.me.id) return
    this.#remove(this.#pending.find((each) => each.conversationId === conversationId && each.content === content))
  }

  #remove(each: Pending | undefined): void {
    this.#pending = this.#pending.filter((other) => other !== each)
  }

  #submit(content: string): void {
    const { session, opened } = this.#options
    const conversation = opened()
    if (!conversation) return
    this.#sentTypingAt = 0
    session().chat.seen(conversation)
    const { kind, message } = this.#about ?? {}
    this.#about = undefined
    this.#drawAbout()
    if (message && kind === 'edit') return session().attempt(session().connection.edit(message, content))
    const replyToId = message?.id ?? null
    const each: Pending = { key: randomId(), conversationId: conversation.id, content, replyToId, problem: undefined }
    this.#pending.push(each)
    void this.deliver(each)
  }

  #sendTyping(isTyping: boolean): void {
    const conversation = this.#options.opened()
    const { connection, state } = this.#options.session()
    if (!conversation || state !== 'open') return
    if (isTyping ? Date.now() - this.#sentTypingAt < TYPING_MS : this.#sentTypingAt === 0) return
    this.#sentTypingAt = isTyping ? Date.now() : 0
    // It ends by itself if the connection breaks.
    connection.setTyping(conversation.id, isTyping).catch(() => undefined)
  }

  #writeAbout(about: { kind: 'answer' | 'edit'; message: Message }): void {
    if (this.#about?.kind === 'edit') this.composer.edit('')
    this.#about = about
    this.#drawAbout()
    this.composer.focus()
  }

  #drawAbout(): void {
    const text = this.#options.text()
    if (!this.#about) return this.composer.about(undefined, text)
    const { sender, content } = this.#about.message
    const label = this.#about.kind === 'edit' ? text.editing : text.answering(sender.name, excerptOf(content))
    this.composer.about(label, text)
  }
}
