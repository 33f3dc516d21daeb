import { notFound } from '../errors.ts'
import type { ConversationSettings } from '../store/conversation-settings.ts'
import type { Access } from './access.ts'
import type { Commits } from './commit.ts'
import { userTopic, type ConversationSettingsPayload } from './events.ts'

/** A user's own settings of conversations (docs/graphql.md, Keeping conversations). */
export interface ConversationSettingsRules {
  /**
   * Changes the settings that are present; if nothing changes, nothing is pushed. Throws NOT_FOUND for a conversation that the
   * user is not in.
   */
  update(userId: number, conversationId: string, changes: Partial<ConversationSettings>): Promise<void>
}

export function createConversationSettings({ access, commits }: { access: Access; commits: Commits }): ConversationSettingsRules {
  return {
    async update(userId, conversationId, changes) {
      const { id } = await access.conversation(userId, conversationId, 'read')
      await commits.run(async (tx) => {
        await tx.lock([userTopic(userId)])
        const before = (await tx.conversationSettings.byIds(userId, [id])).get(id)
        // A direct conversation without messages is not stored.
        if (!before) throw notFound(`there is no conversation ${id.slice(0, 64)}`)
        const after = { ...before, ...changes }
        // A time in the past mutes nothing.
        if (after.mutedUntil !== null && after.mutedUntil <= Date.now()) after.mutedUntil = null
        const { mutedUntil, pinned, archived } = after
        if (mutedUntil === before.mutedUntil && pinned === before.pinned && archived === before.archived) return
        await tx.conversationSettings.update(userId, id, after, tx.nextSeq(userTopic(userId)))
        const payload: ConversationSettingsPayload = { conversationId: id, settings: after }
        tx.append({ topics: [userTopic(userId)], kind: 'conversation_settings_changed', payload })
      })
    },
  }
}
