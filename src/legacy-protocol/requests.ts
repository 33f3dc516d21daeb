import type { DocumentNode } from 'graphql'
import type { LegacyRequest } from './frames.ts'
import {
  LegacyAddReactionDocument,
  LegacyMarkMessageReadDocument,
  LegacyPingDocument,
  LegacyRefreshTokenDocument,
  LegacyRemoveReactionDocument,
  LegacySendMessageDocument,
  LegacySetTypingDocument,
  type LegacyAddReactionMutationVariables,
  type LegacyMarkMessageReadMutationVariables,
  type LegacySendMessageMutationVariables,
  type LegacySetTypingMutationVariables,
} from './operations.generated.ts'

/** The GraphQL operation that a request becomes. */
export interface RequestOperation {
  document: DocumentNode
  variables?: Readonly<Record<string, unknown>>
}

/** What each request becomes, all but `resume`, which is a turn of the feed and no operation of its own (docs/protocol.md, section 3). */
export function operationOf(request: Exclude<LegacyRequest, { type: 'resume' }>): RequestOperation {
  switch (request.type) {
    case 'message_sent': {
      const receiverId = 'receiverId' in request ? String(request.receiverId) : null
      const { conversationId, content, messageType, mediaUrl, isGroup, echo } = request
      const variables: LegacySendMessageMutationVariables = {
        input: { conversationId, receiverId, content, messageType, mediaUrl, isGroup, clientMessageId: echo ?? null },
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
    case 'auth':
      return { document: LegacyRefreshTokenDocument, variables: { token: request.token } }
    case 'ping':
    case 'heartbeat':
      return { document: LegacyPingDocument }
  }
}
