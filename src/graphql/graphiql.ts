import { createRequire } from 'node:module'
import type { GraphiQLOptions } from 'graphql-yoga'

const require = createRequire(import.meta.url)

interface ExampleTab {
  query: string
  variables?: Record<string, unknown>
}

/**
 * The tabs that GraphiQL opens with. It names a tab after its operation, and shows the first one without its variables, so
 * that one has none. Ids are those of the demo data.
 */
export const EXAMPLES: readonly ExampleTab[] = [
  {
    query: `# Who am I, and which conversations do I have? By latest activity, with what I have not read yet.
query WhoAmI {
  viewer {
    id
    name
    online
  }
  conversations(first: 20) {
    edges {
      node {
        id
        group {
          name
          memberCount
        }
        members(first: 10) {
          edges {
            node {
              id
              name
              online
            }
          }
        }
        unreadCount
        lastMessage {
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
  },
  {
    query: `# The history of a conversation, newest first. To go on to older messages, run it again with
# pageInfo.endCursor as "after".
query History($conversationId: ID!, $first: Int, $after: String) {
  conversation(id: $conversationId) {
    messages(first: $first, after: $after) {
      edges {
        node {
          id
          sender {
            name
          }
          content
          timestamp
          reactions {
            reaction
            count
          }
          readBy {
            readerId
            readAt
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
`,
    variables: { conversationId: 'group_1', first: 3, after: null },
  },
  {
    query: `# All that happens to me, live. GraphiQL ends it when another tab is opened: run it in one browser window and
# the mutations in a second one. "after": "0" sends first all that is kept, an event's id all that came since.
subscription Live($after: ID) {
  events(after: $after) {
    __typename
    id
    timestamp
    ... on MessageSent {
      message {
        id
        conversation {
          id
        }
        sender {
          name
        }
        content
      }
    }
    ... on MessageRead {
      messageId
      readerId
    }
    ... on ReactionAdded {
      messageId
      userId
      reaction
      reactionCount
    }
    ... on ReactionRemoved {
      messageId
      userId
      reaction
      reactionCount
    }
    ... on TypingChanged {
      conversationId
      user {
        name
      }
      typing
    }
    ... on OnlineStatusChanged {
      userId
      online
    }
    ... on GroupUpdated {
      group {
        id
        name
        memberCount
      }
    }
    ... on MemberJoined {
      groupId
      user {
        name
      }
      memberCount
    }
    ... on MemberLeft {
      groupId
      user {
        name
      }
      memberCount
    }
    ... on NotificationReceived {
      notification {
        notificationType
        data
      }
    }
  }
}
`,
    variables: { after: '0' },
  },
  {
    query: `# Sends a message: to a conversation, or with "receiverId" to a user (the first message creates the conversation).
# "clientMessageId" makes a repeat safe: the same key again returns the message that is stored already.
mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) {
    id
    conversation {
      id
    }
    content
    timestamp
  }
}
`,
    variables: { input: { conversationId: 'group_1', content: 'Hello from GraphiQL', clientMessageId: 'graphiql-1' } },
  },
  {
    query: `# Marks a conversation read up to a message, and reacts to that message. Both can be repeated without effect.
mutation ReadAndReact($conversationId: ID!, $messageId: ID!, $reaction: String!) {
  markConversationRead(conversationId: $conversationId, upToMessageId: $messageId)
  addReaction(messageId: $messageId, reaction: $reaction) {
    reaction
    count
    userIds
  }
}
`,
    variables: { conversationId: 'group_1', messageId: '1', reaction: '👍' },
  },
  {
    query: `# Creates a group that I own; its members are told.
mutation NewGroup($input: CreateGroupInput!) {
  createGroup(input: $input) {
    id
    name
    memberCount
    conversation {
      id
    }
    members {
      edges {
        node {
          role
          user {
            name
          }
        }
      }
    }
  }
}
`,
    variables: { input: { name: 'Book club', announcement: 'First meeting on Monday', memberIds: ['1', '2', '3'] } },
  },
  {
    query: `# Admins only: stores a notification for each of these users and pushes it to those who are connected.
mutation Notify($notificationType: String!, $data: JSON!, $userIds: [ID!]!) {
  pushSystemNotification(notificationType: $notificationType, data: $data, userIds: $userIds)
}
`,
    variables: { notificationType: 'maintenance', data: { title: 'Back in five minutes' }, userIds: ['1', '2', '3', '4'] },
  },
  {
    query: `# Admins only: creates a user, or changes the name and avatar of one.
mutation SaveUser($id: ID!, $name: String!, $avatar: String) {
  upsertUser(id: $id, name: $name, avatar: $avatar) {
    id
    name
    avatar
  }
}
`,
    variables: { id: '5', name: 'Eve Novak', avatar: null },
  },
]

const PLACEHOLDER = { title: 'Parley', endpoint: 'to be replaced' }
let template: string[] | undefined

/** The page around its options. Loaded at the first use: it is 9 MB that a server at which nobody looks can do without. */
function loadTemplate(): string[] {
  const { renderGraphiQL } = require('@graphql-yoga/render-graphiql') as typeof import('@graphql-yoga/render-graphiql')
  return renderGraphiQL(PLACEHOLDER).split(JSON.stringify(PLACEHOLDER))
}

/**
 * The GraphiQL page, which loads nothing from elsewhere. With a token every tab is authorised by it; without, the headers
 * have a place for one.
 */
export function renderGraphiqlPage(token?: string): string {
  const options: GraphiQLOptions = {
    title: PLACEHOLDER.title,
    // Tabs take these where they have none of their own, also tabs that the browser kept from the last visit.
    headers: JSON.stringify({ Authorization: `Bearer ${token ?? 'PUT-A-TOKEN-HERE'}` }, null, 2),
    // Tokens don't belong into the browser's storage, where an old one would also win over a new one.
    shouldPersistHeaders: false,
    defaultTabs: EXAMPLES.map(({ query, variables }) => ({
      query,
      variables: variables ? JSON.stringify(variables, null, 2) : null,
    })),
  }
  template ??= loadTemplate()
  return template.join(JSON.stringify(options).replaceAll('<', String.raw`\u003c`))
}
