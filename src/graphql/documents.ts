import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases'
import { maxDepthRule } from '@escape.tech/graphql-armor-max-depth'
import { maxDirectivesRule } from '@escape.tech/graphql-armor-max-directives'
import { MaxTokensParserWLexer } from '@escape.tech/graphql-armor-max-tokens'
import {
  GraphQLError,
  Kind,
  OverlappingFieldsCanBeMergedRule,
  specifiedRules,
  Token,
  TokenKind,
  TypeInfo,
  validate,
  visit,
  visitWithTypeInfo,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationRule,
} from 'graphql'
import { LRUCache } from 'lru-cache'

import { FIELDS_LIMIT } from './answer.ts'
import { costOf, type Cost } from './cost.ts'
import { MAX_ERRORS, reworded, withoutSuggestion, withShortValues } from './errors.ts'
import type { Execute, Variables } from './execute.ts'
import { HotOperations, type OperationFacts } from './hot-operations.ts'
import { TextsRule } from './input-texts.ts'
import { LONG_TEXTS } from './metering.ts'
import { checkOf } from './variables.ts'

/** The operations of a rejected text. */
const NO_DOCUMENT: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] }
const NO_OPERATIONS: PreparedDocument['operations'] = new Map()

/** A parsed and validated document with everything that transports need to know of it, prepared once for each text. */
export interface PreparedDocument {
  document: DocumentNode
  /** Errors of parsing or validation; if there are any, nothing may be executed. */
  errors: readonly GraphQLError[]
  /** Whether it queries the schema itself. */
  usesIntrospection: boolean
  operations: ReadonlyMap<string, PreparedOperation>
}

export interface PreparedOperation {
  node: OperationDefinitionNode
  /**
   * Whether every subscriber of the same event gets the same result: no field is @viewerDependent, and nothing is asked of a quoted
   * message that not every member may read.
   */
  isShared: boolean
  /**
   * The variables that its result for an event depends on: those used anywhere but in the arguments of a subscription's root
   * field, which only select events.
   */
  resultVariables: readonly string[]
  /** Whether it selects `cursor`, the position of the event log that its answer reflects. */
  selectsCursor: boolean
  /** Whether it is a subscription whose field takes `after`. */
  takesAfter: boolean
  /** Whether an argument is a token, which nobody else may see. */
  takesToken: boolean
  /** Whether it runs in a transaction of its own: a mutation that does more than send. */
  hasTransaction: boolean
  /** How many fields it may resolve at most. */
  cost: Cost
  /** Whether variables certainly have their declared types; if unsure, they must be checked closely. */
  check: (variables: Variables) => boolean
  execute: Execute
}

export interface DocumentLimits {
  depth: number
  aliases: number
  tokens: number
  directives: number
  /** Maximum number of resolved fields. */
  cost: number
}

/** More are rejected before execution (docs/graphql.md, Pages and limits). */
export const DOCUMENT_LIMITS: DocumentLimits = { depth: 12, aliases: 30, tokens: 1000, directives: 50, cost: FIELDS_LIMIT }

/** An error as cached: message, locations and code. */
const asBadInput = ({ message, locations, path }: GraphQLError, suggestions: boolean): GraphQLError => {
  // The limits report what they reject as a syntax error.
  const text = withShortValues(message.replace(/^Syntax Error: (?=.* limit )/, ''))
  // A copy: a substring keeps the whole text in memory.
  const error = reworded({ locations, path }, Buffer.from(text).toString(), { code: 'BAD_USER_INPUT' })
  return suggestions ? error : withoutSuggestion(error)
}

/** Approximate memory for documents and rejected texts. */
const DOCUMENTS_BYTES = 16 * 1_048_576
const REFUSED_BYTES = 1_048_576

/** Memory of an entry besides its text, of each token of a document, and of each error. Measured, and rounded up. */
const ENTRY_BYTES = 8192
const TOKEN_BYTES = 400
const ERROR_BYTES = 2000

/** Parses and validates documents and caches those used last by their text, bounded by memory. */
export function createDocuments(
  schema: GraphQLSchema,
  options: { suggestions: boolean; hot?: HotOperations | undefined },
): (text: string) => PreparedDocument {
  const { depth: n, aliases, tokens, directives } = DOCUMENT_LIMITS
  const quiet = { exposeLimits: true, propagateOnRejection: true } as const
  const guards: ValidationRule[] = [
    maxDepthRule({ n, ...quiet }) as unknown as ValidationRule,
    maxAliasesRule({ n: aliases, allowList: [], ...quiet }) as unknown as ValidationRule,
    maxDirectivesRule({ n: directives, ...quiet }) as unknown as ValidationRule,
    RepeatsRule,
  ]
  // The one rule whose cost grows with the square of the fields; the guards before it keep that small.
  const rules = [
    ...specifiedRules.filter((rule) => rule !== OverlappingFieldsCanBeMergedRule),
    TextsRule,
    OverlappingFieldsCanBeMergedRule,
  ]
  const { hot = new HotOperations() } = options
  const documents = new LRUCache<string, PreparedDocument>({ maxSize: DOCUMENTS_BYTES })
  // Separate, so that they evict no documents.
  const refusals = new LRUCache<string, PreparedDocument>({ maxSize: REFUSED_BYTES })

  function prepare(text: string): PreparedDocument {
    let document: DocumentNode
    try {
      document = new MaxTokensParserWLexer(text, { n: tokens, ...quiet }).parseDocument()
    } catch (error) {
      return refuse(text, [error instanceof GraphQLError ? error : new GraphQLError((error as Error).message)])
    }
    const all = tokensOf(document)
    const names = all.filter(({ kind, start, end }) => kind === TokenKind.NAME && end - start > NAME_CHARACTERS)
    const errors = names.length > 0 ? names.map(tooLong) : runGuards(document)
    if (errors.length > 0) return refuse(text, errors)
    dropTokens(document)
    const prepared = analyse(schema, document, (node, facts) =>
      hot.executorOf(schema, document, node, { ...facts, tokens: all.length }),
    )
    documents.set(text, prepared, { size: ENTRY_BYTES + 2 * text.length + all.length * TOKEN_BYTES })
    return prepared
  }

  function refuse(text: string, found: readonly GraphQLError[]): PreparedDocument {
    const errors = found.slice(0, MAX_ERRORS).map((error) => asBadInput(error, options.suggestions))
    const refused = { document: NO_DOCUMENT, errors, usesIntrospection: false, operations: NO_OPERATIONS }
    refusals.set(text, refused, { size: 2 * text.length + (1 + errors.length) * ERROR_BYTES })
    return refused
  }

  /** The limits first, so that validation never walks a document that is too large for it. */
  function runGuards(document: DocumentNode): readonly GraphQLError[] {
    try {
      const exceeded = validate(schema, document, guards)
      return exceeded.length > 0
        ? exceeded
        : validate(schema, document, rules, { maxErrors: MAX_ERRORS, hideSuggestions: !options.suggestions })
    } catch (error) {
      // The guards throw if they are configured to continue after an error.
      return [error instanceof GraphQLError ? error : new GraphQLError((error as Error).message)]
    }
  }

  return (text) => documents.get(text) ?? refusals.get(text) ?? prepare(text)
}

/** How often one response name may be selected side by side: each is compared with each. */
const REPEATS = 50

/** Rejects a selection set that selects one response name too often. */
const RepeatsRule: ValidationRule = (context) => ({
  SelectionSet({ selections }) {
    if (selections.length <= REPEATS) return
    const counts = new Map<string, number>()
    for (const node of selections) {
      const name = node.kind === Kind.FIELD ? (node.alias ?? node.name).value : node.kind
      const count = (counts.get(name) ?? 0) + 1
      counts.set(name, count)
      if (count <= REPEATS) continue
      const what = node.kind === Kind.FIELD ? JSON.stringify(name) : 'fragments'
      context.reportError(new GraphQLError(`it selects ${what} more than ${REPEATS} times side by side`, { nodes: [node] }))
      return
    }
  },
})

/**
 * For an unknown name the library looks for similar ones, which takes long for a long name; and error messages repeat names.
 */
const NAME_CHARACTERS = 200

const tooLong = ({ start, end, line, column }: Token): GraphQLError =>
  Object.assign(new GraphQLError(`a name has ${end - start} characters, expected at most ${NAME_CHARACTERS}`), {
    locations: [{ line, column }],
  })

function tokensOf({ loc }: DocumentNode): Token[] {
  const tokens: Token[] = []
  for (let token = loc?.startToken ?? null; token; token = token.next) tokens.push(token)
  return tokens
}

/** Releases a document's tokens, which are not read again. */
function dropTokens(document: DocumentNode): void {
  const none = new Token(TokenKind.SOF, 0, 0, 0, 0)
  visit(document, {
    enter({ loc }) {
      if (loc) Object.assign(loc, { startToken: none, endToken: none })
    },
  })
}

/** Mutations that share their statements with others, or change nothing that is stored. */
const WITHOUT_TRANSACTION: ReadonlySet<string> = new Set(['__typename', 'sendMessage', 'setTyping', 'refreshToken'])

/** What belongs to a message, which a member reads only after their horizon; a quoted message may be from before it. */
const CONTENTS: ReadonlySet<string> = new Set(['reactions', 'readBy', 'replyTo'])

/** Whether a selection has one of them, at any depth. Unused types are no matter: such an operation is only not shared. */
function asksForContents(
  selectionSet: SelectionSetNode | undefined,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  seen = new Set<string>(),
): boolean {
  return (selectionSet?.selections ?? []).some((selection) => {
    if (selection.kind === Kind.FIELD)
      return CONTENTS.has(selection.name.value) || asksForContents(selection.selectionSet, fragments, seen)
    if (selection.kind === Kind.INLINE_FRAGMENT) return asksForContents(selection.selectionSet, fragments, seen)
    const { value: name } = selection.name
    if (seen.has(name)) return false
    seen.add(name)
    return asksForContents(fragments.get(name)?.selectionSet, fragments, seen)
  })
}

type ExecutorOf = (operation: OperationDefinitionNode, facts: Omit<OperationFacts, 'tokens'>) => Execute

/** Properties of a valid document, and how its operations are executed. */
export function analyse(schema: GraphQLSchema, document: DocumentNode, executorOf: ExecutorOf): PreparedDocument {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  const operations = new Map<string, PreparedOperation>()
  let usesIntrospection = false
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION) continue
    const resultVariables = new Set<string>()
    const seen = new Set<string>()
    let isShared = true
    let takesToken = false
    let hasTransaction = false
    let selectsCursor = false
    let takesAfter = false
    const walk = (root: OperationDefinitionNode | FragmentDefinitionNode, isRoot: boolean): void => {
      const typeInfo = new TypeInfo(schema)
      let rootField: FieldNode | undefined
      visit(
        root,
        visitWithTypeInfo(typeInfo, {
          VariableDefinition: () => false,
          Field: {
            enter(field) {
              if (field.name.value === '__schema' || field.name.value === '__type') usesIntrospection = true
              const definition = typeInfo.getFieldDef()
              if (definition?.astNode?.directives?.some(({ name }) => name.value === 'viewerDependent')) isShared = false
              if (field.name.value === 'replyTo' && asksForContents(field.selectionSet, fragments)) isShared = false
              if (definition?.args.some(({ name }) => name === 'token')) takesToken = true
              if (typeInfo.getParentType() === schema.getMutationType() && !WITHOUT_TRANSACTION.has(field.name.value))
                hasTransaction = true
              if (field.name.value === 'cursor' && typeInfo.getParentType() === schema.getQueryType()) selectsCursor = true
              if (isRoot && typeInfo.getParentType() === schema.getSubscriptionType()) {
                rootField = field
                takesAfter = definition?.args.some(({ name }) => name === 'after') === true
              }
            },
          },
          Argument(argument, _key, _parent, _path, ancestors) {
            return rootField && ancestors.at(-2) === rootField && rootField.arguments?.includes(argument) ? false : undefined
          },
          Variable({ name }) {
            resultVariables.add(name.value)
          },
          FragmentSpread({ name }) {
            const fragment = fragments.get(name.value)
            if (!fragment || seen.has(name.value)) return
            seen.add(name.value)
            walk(fragment, isRoot)
          },
        }),
      )
    }
    walk(node, node.operation === 'subscription')
    const cost = costOf(schema, document, node)
    const check = checkOf(schema, node)
    operations.set(node.name?.value ?? '', {
      node,
      isShared: isShared && node.operation === 'subscription',
      resultVariables: [...resultVariables],
      takesToken,
      hasTransaction,
      selectsCursor,
      takesAfter,
      // What an event costs recurs, and its results may be many.
      cost: node.operation === 'subscription' ? costOf(schema, document, node, LONG_TEXTS) : cost,
      check,
      execute: executorOf(node, { cost, usesIntrospection, check }),
    })
  }
  return { document, errors: [], usesIntrospection, operations }
}
