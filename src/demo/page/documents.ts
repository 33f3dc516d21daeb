/** The page's GraphQL documents; a test validates them against the schema. */

const MESSAGE = `id
        conversation { id isGroup }
        sender { id name }
        content
        timestamp
        editedAt
        deletedAt
        replyToId`

const HISTORY_MESSAGE = `${MESSAGE}
        replyTo { id sender { id name } content deletedAt }
        reactions { reaction userIds }
        readBy { readerId }`

/** `cursor` makes one snapshot of it: else a message that comes meanwhile may be the last one, and not counted as unread. */
export const CONVERSATIONS = `query Conversations {
  cursor
  conversations(first: 50) {
    edges {
      node {
        id
        isGroup
        group { name }
        members(first: 50) { edges { node { id name online } } }
        unreadCount
        readUpTo
        lastMessage { id sender { id name } content timestamp deletedAt }
      }
    }
  }
  blockedUsers(first: 50) { edges { node { id } } }
}`

export const PRESENCE = `query Presence {
  conversations(first: 50) {
    edges { node { members(first: 50) { edges { node { id online } } } } }
  }
}`

export const BLOCKS = `query Blocks {
  blockedUsers(first: 50) { edges { node { id } } }
}`

export const HISTORY = `query History($conversationId: ID!, $after: String) {
  conversation(id: $conversationId) {
    messages(first: 20, after: $after) {
      edges { node {
        ${HISTORY_MESSAGE}
      } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

export const EVENTS = `subscription Events($after: ID) {
  events(after: $after) {
    __typename
    id
    timestamp
    ... on MessageSent { message {
        ${MESSAGE}
    } }
    ... on MessageEdited { message {
        ${MESSAGE}
    } }
    ... on MessageDeleted { messageId conversationId }
    ... on MessageRead { messageId readerId }
    ... on ReactionAdded { messageId reaction reactionUserIds }
    ... on ReactionRemoved { messageId reaction reactionUserIds }
    ... on ConversationRead { conversationId readUpTo unreadCount }
    ... on BlockChanged { user { id } blocked }
    ... on TypingChanged { conversationId user { id name } typing }
    ... on OnlineStatusChanged { userId online }
  }
}`

export const SEND = `mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) { id }
}`

export const EDIT = `mutation Edit($messageId: ID!, $content: String!) {
  editMessage(input: { messageId: $messageId, content: $content }) { id }
}`

export const DELETE = `mutation Delete($messageId: ID!) {
  deleteMessage(messageId: $messageId) { id }
}`

export const SET_TYPING = `mutation SetTyping($conversationId: ID!, $typing: Boolean!) {
  setTyping(conversationId: $conversationId, typing: $typing)
}`

export const MARK_READ = `mutation MarkRead($conversationId: ID!, $upToMessageId: ID!) {
  markConversationRead(conversationId: $conversationId, upToMessageId: $upToMessageId)
}`

export const MARK_UNREAD = `mutation MarkUnread($conversationId: ID!, $fromMessageId: ID!) {
  markConversationUnread(conversationId: $conversationId, fromMessageId: $fromMessageId)
}`

export const BLOCK = `mutation Block($userId: ID!) {
  blockUser(userId: $userId) { id }
}`

export const UNBLOCK = `mutation Unblock($userId: ID!) {
  unblockUser(userId: $userId) { id }
}`

export const SEARCH = `query Search($text: String!, $conversationId: ID!) {
  searchMessages(text: $text, conversationId: $conversationId, first: 20) {
    edges { node { id sender { id name } content timestamp } }
  }
}`

export const ADD_REACTION = `mutation AddReaction($messageId: ID!, $reaction: String!) {
  addReaction(messageId: $messageId, reaction: $reaction) { count }
}`

export const REMOVE_REACTION = `mutation RemoveReaction($messageId: ID!, $reaction: String!) {
  removeReaction(messageId: $messageId, reaction: $reaction) { count }
}`
