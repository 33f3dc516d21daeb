import { parseCursor } from '../../chat/cursor.ts'
import { conversationOf, type ChatEvent } from '../../chat/events.ts'
import type { Watcher } from '../../admin/contract.ts'
import type { OperationContext } from '../context.ts'
import type { ResolversTypes, SubscriptionResolvers } from '../generated/resolvers.ts'
import { badInput } from '../../errors.ts'
import { parseIntId, requireIntId } from '../../ids.ts'
import { notAnAdmin, requireAdmin } from './admins.ts'
import type { ActivityFilter } from '../../admin/activity.ts'
import type { ActivityEvent, EventModel } from '../models.ts'
import { feedSource, Source, type SourceOptions } from '../source.ts'

/** A source for the viewer. The generated type expects a stream of parents, which the source's events are. */
const source = ({ feeds, chat, viewer }: OperationContext, options: Omit<SourceOptions, 'feeds' | 'cursors' | 'userId'>) =>
  feedSource({ feeds, cursors: chat.cursors, userId: viewer.userId, ...options }) as unknown as AsyncIterable<never>

/** The scope of one conversation: a group's topic, or the user's own. Throws as `Access.conversation` does. */
async function scopeOf(id: string, { chat, viewer }: OperationContext): Promise<{ id: string; scope: SourceOptions['scope'] }> {
  const { id: found, groupId } = await chat.access.conversation(viewer.userId, id, 'read')
  return { id: found, scope: groupId === null ? { kind: 'user' } : { kind: 'group', groupId } }
}

/** One shared function: each event passes through it for each subscriber. */
const everything = (): boolean => true

/** Where to resume: after what the client received last, if it says so, otherwise after the argument. */
const resumeAfter = (after: string | null | undefined, { lastEventId }: OperationContext) => parseCursor(lastEventId ?? after)

const asEvent = (event: unknown): ResolversTypes['Event'] => event as EventModel
const payloadOf = (event: unknown): never => (event as ChatEvent).payload as never

export const subscriptions: SubscriptionResolvers = {
  events: {
    subscribe: (_root, { after }, context) =>
      source(context, { scope: { kind: 'all' }, after: resumeAfter(after, context), accepts: everything }),
    resolve: asEvent,
  },

  conversationEvents: {
    subscribe: async (_root, { conversationId, after }, context) => {
      const resumes = resumeAfter(after, context)
      const { id, scope } = await scopeOf(conversationId, context)
      return source(context, {
        scope: scope.kind === 'group' ? { ...scope, withOwn: true } : scope,
        after: resumes,
        accepts: (event) => conversationOf(event) === id || event.kind === 'resume_incomplete',
      })
    },
    resolve: asEvent,
  },

  messageSent: {
    subscribe: async (_root, { conversationId }, context) => {
      if (conversationId == null)
        return source(context, { scope: { kind: 'all' }, accepts: ({ kind }) => kind === 'message_sent' })
      const { id, scope } = await scopeOf(conversationId, context)
      return source(context, { scope, accepts: (event) => event.kind === 'message_sent' && event.payload.conversationId === id })
    },
    resolve: payloadOf,
  },

  typing: {
    subscribe: async (_root, { conversationId }, context) => {
      const { id, scope } = await scopeOf(conversationId, context)
      return source(context, { scope, accepts: (event) => event.kind === 'typing' && event.payload.conversationId === id })
    },
    resolve: (event: unknown) => event as never,
  },

  onlineStatus: {
    subscribe: (_root, { userIds }, context) => {
      const wanted = userIds && new Set(userIds.map(parseIntId))
      return source(context, {
        scope: { kind: 'all' },
        accepts: (event) => event.kind === 'presence' && (!wanted || wanted.has(event.payload.userId)),
      })
    },
    resolve: (event: unknown) => event as never,
  },

  notificationReceived: {
    subscribe: (_root, _args, context) =>
      source(context, { scope: { kind: 'user' }, accepts: ({ kind }) => kind === 'notification' }),
    resolve: payloadOf,
  },

  activity: {
    subscribe(_root, { userId, conversationId, contents }, context) {
      requireAdmin(context)
      if (userId == null && conversationId == null)
        throw badInput('neither userId nor conversationId is given, expected one of them')
      const filter = {
        userId: userId == null ? undefined : requireIntId(userId, 'user'),
        conversationId: conversationId ?? undefined,
        contents: contents ?? false,
      }
      return activitySource(context, filter) as unknown as AsyncIterable<never>
    },
    resolve: payloadOf,
  },
}

/** Watches show entries as they happen; there is no replay. */
function activitySource({ admin, viewer, connectionId }: OperationContext, filter: ActivityFilter): Source {
  return new Source(async (sink) => {
    let isStarted = false
    const queued: ActivityEvent[] = []
    const watcher: Watcher = {
      adminId: viewer.userId,
      connectionId,
      entry(entry) {
        const event: ActivityEvent = { id: null, at: entry.at, kind: 'activity', payload: entry }
        if (isStarted) sink.event(event, false)
        else queued.push(event)
      },
      ended: () => sink.end(notAnAdmin()),
    }
    const end = await admin.watch(watcher, filter)
    return {
      start() {
        isStarted = true
        for (const event of queued) sink.event(event, false)
        return Promise.resolve()
      },
      resume: () => Promise.reject(badInput('what is not kept can not be resumed')),
      close: end,
    }
  })
}
