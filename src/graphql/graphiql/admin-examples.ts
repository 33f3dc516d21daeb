export interface ExampleTab {
  query: string
  variables?: Record<string, unknown>
}

/** An admin's day, as in docs/admin.md. Ids are those of the demo data. */
export const ADMIN_EXAMPLES: readonly ExampleTab[] = [
  {
    query: `# Admins only: who is this user? By a part of the name or the id; "online" and "banned" narrow it down.
query FindUser($search: String, $online: Boolean, $banned: Boolean) {
  users(search: $search, online: $online, banned: $banned, first: 20) {
    edges {
      node {
        id
        name
        online
        lastActive
        createdAt
        bannedUntil
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: { search: 'rob', online: null, banned: null },
  },
  {
    query: `# Admins only: which conversations does a user have, and what was said last? It is written to the audit log.
query ConversationsOf($userId: ID!) {
  conversationsOf(userId: $userId, first: 20) {
    edges {
      node {
        id
        group {
          name
          memberCount
        }
        lastMessage {
          id
          content
          sender {
            name
          }
          timestamp
        }
      }
    }
  }
}
`,
    variables: { userId: '6' },
  },
  {
    query: `# Admins only: where is a user online, and how are the connections?
query WhereOnline($userId: ID!) {
  connections(userId: $userId) {
    protocol
    node
    address
    since
    expiresAt
    queue
  }
}
`,
    variables: { userId: '100' },
  },
  {
    query: `# Admins only: stops a user, at every door, until a time; without "until" for good. unbanUser lifts it.
mutation StopUser($userId: ID!, $until: DateTime, $reason: String!) {
  banUser(userId: $userId, until: $until, reason: $reason) {
    id
    name
    bannedUntil
  }
}
`,
    variables: { userId: '6', until: null, reason: 'sells watches' },
  },
  {
    query: `# Admins only: takes away what a user has sent since a time, in all conversations.
mutation TakeAway($userId: ID!, $since: DateTime!) {
  deleteMessagesOf(userId: $userId, since: $since)
}
`,
    variables: { userId: '6', since: '2026-01-01T00:00:00.000Z' },
  },
  {
    query: `# Admins only: which reports wait for a decision? "status": null shows all.
query Reports($status: ReportStatus) {
  reports(status: $status, first: 20) {
    edges {
      node {
        id
        reason
        reporter {
          name
        }
        content
        message {
          id
          deletedAt
          sender {
            id
            name
          }
          conversation {
            id
          }
        }
        status
        timestamp
      }
    }
  }
}
`,
    variables: { status: 'OPEN' },
  },
  {
    query: `# Admins only: answers a report, ACTED or DISMISSED. The reporter is notified, and does not see the note.
mutation AnswerReport($id: ID!, $status: ReportStatus!, $note: String) {
  resolveReport(id: $id, status: $status, note: $note) {
    id
    status
    note
    resolvedBy {
      name
    }
    resolvedAt
  }
}
`,
    variables: { id: '1', status: 'ACTED', note: 'banned, message deleted' },
  },
  {
    query: `# Admins only: how is the cluster, and how busy is it?
query HowIsTheCluster($days: Int) {
  cluster {
    nodes {
      id
      version
      startedAt
      connections
      lag
      load
    }
  }
  statistics(days: $days) {
    date
    messages
    activeUsers
    newUsers
    newConversations
  }
}
`,
    variables: { days: 7 },
  },
  {
    query: `# Admins only: what did admins do and read? By whom ("actorId"), what ("action", a field's name) or about what ("targetId").
query AuditLog($actorId: ID, $action: String, $targetId: ID) {
  auditLog(actorId: $actorId, action: $action, targetId: $targetId, first: 20) {
    edges {
      node {
        timestamp
        actor {
          name
        }
        action
        targetType
        targetId
        details
      }
    }
  }
}
`,
    variables: { actorId: null, action: null, targetId: null },
  },
]
