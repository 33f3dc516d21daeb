import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { GraphiQLOptions } from 'graphql-yoga'
import { ADMIN_EXAMPLES, type ExampleTab } from './admin-examples.ts'

const require = createRequire(import.meta.url)

/**
 * The tabs that GraphiQL opens with. GraphiQL names a tab after its operation and shows the first tab without its variables, so
 * the first one has none. Ids are those of the demo data.
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
    query: `# All that happens to me, live, the newest first. GraphiQL ends it when another tab is opened: run it in one browser
# window and the mutations in a second one. "after": "0" sends first all that is kept, an event's id all that came since.
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
  ...ADMIN_EXAMPLES,
]

/** The demo's page has the same in its index.html. */
const LOGO =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" role="img" aria-label="Parley">' +
  '<path d="M8 3h16a5 5 0 0 1 5 5v10a5 5 0 0 1-5 5h-9l-7 6.5V23a5 5 0 0 1-5-5V8a5 5 0 0 1 5-5z" fill="#0f766e"/>' +
  '<path d="M10 10.5h12M10 15.5h7" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/></svg>'

const PLACEHOLDER = { title: 'Parley', favicon: `data:image/svg+xml,${encodeURIComponent(LOGO)}` }
/** Compiled, even if the server runs from its sources. */
const PAGE_MODULE = new URL('../../../dist/graphql/graphiql/page/graphiql.js', import.meta.url)
let template: string[] | undefined

/** On small screens the editors are above the result; tabs can't be dragged (see the page's module). */
const STYLE = `
.graphiql-container .graphiql-tab { transform: none !important; }
.graphiql-container .graphiql-logo > div { gap: 0.4em; }
.graphiql-container .graphiql-logo svg { width: 1.75rem; margin-left: auto; }
@media (max-width: 700px) {
  .graphiql-container .graphiql-sessions { margin: 0; border-radius: 0; }
  .graphiql-container #graphiql-session { flex-direction: column; }
  .graphiql-container #graphiql-session > div { flex: 1 1 50% !important; min-height: 0; }
  .graphiql-container #graphiql-session > .graphiql-horizontal-drag-bar { display: none; }
}
`

/** The page around its options. Loaded at the first use: it has 9 MB. */
function loadTemplate(): string[] {
  const { renderGraphiQL } = require('@graphql-yoga/render-graphiql') as typeof import('@graphql-yoga/render-graphiql')
  const module = readFileSync(PAGE_MODULE, 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '')
  const [head = '', tail = ''] = renderGraphiQL(PLACEHOLDER).split(JSON.stringify(PLACEHOLDER))
  const call = head.lastIndexOf(RENDER)
  const start = head
    .slice(0, call)
    .replace(
      '<title>Parley</title>',
      `<meta name="viewport" content="width=device-width, initial-scale=1" /><title>Parley GraphiQL</title>`,
    )
    .replace('</style>', () => `${STYLE}</style>`)
  const script = `</script><script type="module">${module}
disableTabDragging();
const fetcher = createFetcher(location.pathname);
`
  return [`${start}${script}${RENDER}${head.slice(call + RENDER.length)}{ fetcher, ...`, `}${tail}`]
}

/** What the page's script calls with the options. */
const RENDER = 'YogaGraphiQL.renderYogaGraphiQL('

/** Options that Yoga passes on to GraphiQL without declaring them. */
interface PageOptions extends GraphiQLOptions {
  defaultEditorToolsVisibility: 'variables' | 'headers'
}

/**
 * The GraphiQL page, which loads nothing from other servers. With a token every tab is authorised by it; without one, the
 * headers have a place for it.
 */
export function renderGraphiqlPage(token?: string): string {
  const options: PageOptions = {
    title: PLACEHOLDER.title,
    logo: LOGO,
    // Headers, which hold a token, are hidden unless requested; without a token they are the ones to fill in.
    defaultEditorToolsVisibility: token === undefined ? 'headers' : 'variables',
    // For tabs without headers of their own, including those that the browser stored at the last visit.
    headers: JSON.stringify({ Authorization: `Bearer ${token ?? 'PUT-A-TOKEN-HERE'}` }, null, 2),
    // Tokens don't belong in the browser's storage, where an old one would also take precedence over a new one.
    shouldPersistHeaders: false,
    defaultTabs: EXAMPLES.map(({ query, variables }) => ({
      query,
      variables: variables ? JSON.stringify(variables, null, 2) : null,
    })),
  }
  template ??= loadTemplate()
  return template.join(JSON.stringify(options).replaceAll('<', String.raw`\u003c`))
}
