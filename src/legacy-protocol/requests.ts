import type { DocumentNode } from 'graphql'
import type { LegacyRequest } from './frames.ts'
import {
  LegacyAddReactionDocument,
  LegacyDeleteMessageDocument,
  LegacyEditMessageDocument,
  LegacyMarkConversationReadDocument,
  LegacyMarkMessageReadDocument,
  LegacyPingDocument,
  LegacyRefreshTokenDocument,
  LegacyRemoveReactionDocument,
  LegacySendMessageDocument,
  LegacySetTypingDocument,
  type LegacyAddReactionMutationVariables,
  type LegacyDeleteMessageMutationVariables,
  type LegacyEditMessageMutationVariables,
  type LegacyMarkConversationReadMutationVariables,
  type LegacyMarkMessageReadMutationVariables,
  type LegacySendMessageMutationVariables,
  type LegacySetTypingMutationVariables,
} from './operations.generated.ts'

/** The GraphQL operation for a request. */
export interface RequestOperation {
  document: DocumentNode
  variables?: Readonly<Record<string, unknown>>
}

const copyOf = (ids: readonly number[] | null | undefined): number[] | null => (ids == null ? null : [...ids])

/** Requests that are operations: `resume` is handled by the feed, and `capabilities` concerns only the connection. */
export type OperationRequest = Exclude<LegacyRequest, { type: 'resume' | 'capabilities' }>

/** The operation of each request (docs/protocol.md, section 3). */
export function operationOf(request: OperationRequest): RequestOperation {
  switch (request.type) {
    case 'message_sent': {
      const receiverId = 'receiverId' in request ? String(request.receiverId) : null
      const { conversationId, content, messageType, mediaUrl, isGroup, echo } = request
      const input = { conversationId, receiverId, content, messageType, mediaUrl, isGroup, clientMessageId: echo ?? null }
      const { replyToId, mentionIds } = request
      const variables: LegacySendMessageMutationVariables = {
        input: replyToId == null && mentionIds == null ? input : { ...input, replyToId, mentionIds: copyOf(mentionIds) },
      }
      return { document: LegacySendMessageDocument, variables }
    }
    case 'typing': {
      const variables: LegacySetTypingMutationVariables = { conversationId: request.sessionId, typing: request.typing }
      return { document: LegacySetTypingDocument, variables }
    }
    case 'message_read': {
      const variables: LegacyMarkMessageReadMutationVariables = {
        messageId: String(request.messageId),
        isGroup: request.isGroup,
      }
      return { document: LegacyMarkMessageReadDocument, variables }
    }
    case 'reaction_added':
    case 'reaction_removed': {
      const variables: LegacyAddReactionMutationVariables = {
        messageId: String(request.messageId),
        reaction: request.reaction,
        isGroup: request.isGroup,
      }
      return { document: request.type === 'reaction_added' ? LegacyAddReactionDocument : LegacyRemoveReactionDocument, variables }
    }
    case 'message_edited': {
      const { messageId, content, isGroup, mentionIds } = request
      const variables: LegacyEditMessageMutationVariables = {
        input: { messageId, content, isGroup, mentionIds: copyOf(mentionIds) },
      }
      return { document: LegacyEditMessageDocument, variables }
    }
    case 'message_deleted': {
      const variables: LegacyDeleteMessageMutationVariables = { messageId: request.messageId, isGroup: request.isGroup }
      return { document: LegacyDeleteMessageDocument, variables }
    }
    case 'conversation_read': {
      const variables: LegacyMarkConversationReadMutationVariables = {
        conversationId: request.sessionId,
        upToMessageId: request.messageId,
      }
      return { document: LegacyMarkConversationReadDocument, variables }
    }
    case 'auth':
      return { document: LegacyRefreshTokenDocument, variables: { token: request.token } }
    case 'ping':
    case 'heartbeat':
      return { document: LegacyPingDocument }
  }
}

/** The text of an error in the protocol's names: the schema's name of a field, which such a text begins with, becomes the wire's. */
export const inWireNames = (text: string): string =>
  text.replace(/^[a-z]+(?:[A-Z][a-z]+)+(?= (?:is|has) )/, (name) =>
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  )
