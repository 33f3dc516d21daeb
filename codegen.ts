import type { CodegenConfig } from '@graphql-codegen/cli'
import { EVENTS } from './src/chat/events.ts'

/** Types only, and nothing guessed: a scalar without a type here is an error. */
const types = {
  useTypeImports: true,
  enumsAsTypes: true,
  strictScalars: true,
  importExtension: '.ts',
  emitLegacyCommonJSImports: false,
} as const

/** The model of each type of event, from the table of events. */
const eventMappers = Object.fromEntries(Object.values(EVENTS).map(({ type }) => [type, `../models.ts#EventOf<'${type}'>`]))

const config: CodegenConfig = {
  schema: 'schema.graphql',
  generates: {
    'src/graphql/generated/resolvers.ts': {
      plugins: ['typescript', 'typescript-resolvers'],
      config: {
        ...types,
        contextType: '../context.ts#OperationContext',
        // What a resolver returns and its children get as parent.
        mappers: {
          User: '../models.ts#UserModel',
          Conversation: '../models.ts#ConversationModel',
          ConversationSettings: '../models.ts#ConversationSettingsModel',
          Group: '../models.ts#GroupModel',
          GroupMember: '../models.ts#GroupMemberModel',
          Activity: '../models.ts#ActivityModel',
          ClusterNode: '../models.ts#NodeModel',
          ClientConnection: '../models.ts#ConnectionModel',
          Topic: '../models.ts#TopicModel',
          TopicOnNode: '../models.ts#TopicOnNodeModel',
          Message: '../models.ts#MessageModel',
          Notification: '../models.ts#NotificationModel',
          Report: '../models.ts#ReportModel',
          AuditEntry: '../models.ts#AuditEntryModel',
          ReactionSummary: '../models.ts#ReactionSummaryModel',
          ReadReceipt: '../models.ts#ReadReceiptModel',
          ...eventMappers,
        },
        // A root field without a resolver does not compile.
        avoidOptionals: { query: true, mutation: true, subscription: true },
        // What resolvers receive and may return.
        scalars: {
          ID: { input: 'string', output: 'string | number' },
          DateTime: { input: 'Date', output: 'number' },
          JSON: 'unknown',
        },
      },
    },
    'src/legacy-protocol/operations.generated.ts': {
      documents: 'src/legacy-protocol/operations.graphql',
      plugins: ['typescript-operations', 'typed-document-node'],
      config: {
        ...types,
        documentMode: 'documentNode',
        // What goes into an operation as a variable and comes out of its execution.
        scalars: {
          ID: { input: 'string | number', output: 'string' },
          DateTime: 'string',
          JSON: 'unknown',
        },
      },
    },
  },
}

export default config
