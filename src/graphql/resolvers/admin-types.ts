import type { Resolvers } from '../generated/resolvers.ts'

/** Resolvers of what admins see of the nodes, and of reports and the audit log. */
export const adminTypes = {
  ClusterNode: {
    connections: ({ protocols }) => Object.values(protocols).reduce((sum, count) => sum + count, 0),
    protocols: ({ protocols }) => Object.entries(protocols).map(([protocol, count]) => ({ protocol, count })),
    lag: ({ lagMs }) => lagMs,
  },

  ClientConnection: {
    user: ({ userId }) => ({ id: userId }),
    queue: ({ queuedBytes }) => queuedBytes,
  },

  Topic: {
    id: ({ name }) => name,
    subscribers: ({ nodes }) => nodes.reduce((sum, { subscribers }) => sum + subscribers, 0),
    lag: ({ head, nodes }) => Math.max(0, ...nodes.map(({ position }) => head - (position ?? head))),
    nodes: ({ head, nodes }) => nodes.map((node) => ({ ...node, head })),
  },

  TopicOnNode: {
    lag: ({ head, position }) => Math.max(0, head - (position ?? head)),
  },

  Activity: {
    kind: ({ kind }) => kind.toUpperCase() as Uppercase<typeof kind>,
    timestamp: ({ at }) => at,
    user: ({ userId }) => ({ id: userId }),
  },

  Report: {
    message: async ({ messageId }, _, { viewer, load, read, readings }) => {
      if (!viewer.isAdmin || readings) return (await read.message(messageId, 'reports')) ?? null
      // After an admin's mutation, which has loaded the report and its contents.
      return (await load.message.load(messageId)) ?? null
    },
    reporter: ({ reporterId }) => ({ id: reporterId }),
    timestamp: ({ at }) => at,
    resolvedBy: ({ resolvedById }, _, { viewer }) => (viewer.isAdmin && resolvedById !== null ? { id: resolvedById } : null),
    note: ({ note }, _, { viewer }) => (viewer.isAdmin ? note : null),
  },

  AuditEntry: {
    timestamp: ({ at }) => at,
    actor: ({ actorId }) => ({ id: actorId }),
  },
} satisfies Partial<Resolvers>
