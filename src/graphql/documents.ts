import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases'
import { maxDepthRule } from '@escape.tech/graphql-armor-max-depth'
import { maxDirectivesRule } from '@escape.tech/graphql-armor-max-directives'
import { MaxTokensParserWLexer } from '@escape.tech/graphql-armor-max-tokens'
import {
  GraphQLError,
  Kind,
  OverlappingFieldsCanBeMergedRule,
  specifiedRules,
  TypeInfo,
  validate,
  visit,
  visitWithTypeInfo,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type ValidationRule,
} from 'graphql'

import { costOf } from './cost.ts'
import { reworded, withoutSuggestion } from './errors.ts'
import { interpreted, type Execute, type Variables } from './execute.ts'

/** What a text that can't be parsed is prepared to. */
const NO_DOCUMENT: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] }

/** A parsed and validated document, and what the transports need to know of it. Made once for each text. */
export interface PreparedDocument {
  document: DocumentNode
  /** What parsing or validation refused; then nothing may be executed. */
  errors: readonly GraphQLError[]
  /** Whether it asks for the schema itself. */
  usesIntrospection: boolean
  operations: ReadonlyMap<string, PreparedOperation>
}

export interface PreparedOperation {
  node: OperationDefinitionNode
  /** Whether every subscriber of the same event gets the same result: no field is @viewerDependent. */
  isShared: boolean
  /**
   * The variables that its result for an event depends on: those used anywhere but in the arguments of a
   * subscription's root field, which only choose the events.
   */
  resultVariables: readonly string[]
  /** Whether it is given a token, which nobody else may see. */
  takesToken: boolean
  /** How many fields it may resolve at most with these variables. */
  cost: (variables: Variables) => number
  execute: Execute
}

export interface DocumentLimits {
  depth: number
  aliases: number
  tokens: number
  directives: number
  /** Fields that may be resolved. */
  cost: number
}

/** More is refused before execution (API.graphql). */
export const DOCUMENT_LIMITS: DocumentLimits = { depth: 12, aliases: 30, tokens: 1000, directives: 50, cost: 100_000 }

const asBadInput = (error: GraphQLError): GraphQLError =>
  // The limits call what they refuse a syntax error.
  reworded(error, error.message.replace(/^Syntax Error: (?=.* limit )/, ''), { ...error.extensions, code: 'BAD_USER_INPUT' })

/** Parses and validates documents, keeping the last ones used by their text. */
export function createDocuments(
  schema: GraphQLSchema,
  options: { suggestions: boolean; capacity?: number },
): (text: string) => PreparedDocument {
  const { depth: n, aliases, tokens, directives } = DOCUMENT_LIMITS
  const quiet = { exposeLimits: true, propagateOnRejection: true } as const
  const guards: ValidationRule[] = [
    maxDepthRule({ n, ...quiet }) as unknown as ValidationRule,
    maxAliasesRule({ n: aliases, allowList: [], ...quiet }) as unknown as ValidationRule,
    maxDirectivesRule({ n: directives, ...quiet }) as unknown as ValidationRule,
  ]
  // The one rule whose cost grows with the square of the fields; the guards before it keep that small.
  const rules = [...specifiedRules.filter((rule) => rule !== OverlappingFieldsCanBeMergedRule), OverlappingFieldsCanBeMergedRule]
  const kept = new Map<string, PreparedDocument>()
  const capacity = options.capacity ?? 1000

  function prepare(text: string): PreparedDocument {
    const refused = (errors: readonly GraphQLError[], document: DocumentNode): PreparedDocument => ({
      document,
      errors: errors.map(asBadInput).map((error) => (options.suggestions ? error : withoutSuggestion(error))),
      usesIntrospection: false,
      operations: new Map(),
    })
    let document: DocumentNode
    try {
      document = new MaxTokensParserWLexer(text, { n: tokens, ...quiet }).parseDocument()
    } catch (error) {
      return refused([error instanceof GraphQLError ? error : new GraphQLError((error as Error).message)], NO_DOCUMENT)
    }
    const errors = runGuards(document)
    return errors.length > 0 ? refused(errors, document) : analyse(schema, document)
  }

  /** The limits first, so that validation never walks a document that is too large for it. */
  function runGuards(document: DocumentNode): readonly GraphQLError[] {
    try {
      const exceeded = validate(schema, document, guards)
      return exceeded.length > 0 ? exceeded : validate(schema, document, rules, { maxErrors: 20 })
    } catch (error) {
      // The guards throw what they find where they are told to go on.
      return [error instanceof GraphQLError ? error : new GraphQLError((error as Error).message)]
    }
  }

  return (text) => {
    const found = kept.get(text)
    if (found) {
      kept.delete(text)
      kept.set(text, found)
      return found
    }
    const prepared = prepare(text)
    if (kept.size >= capacity) kept.delete(kept.keys().next().value as string)
    kept.set(text, prepared)
    return prepared
  }
}

/** What there is to know of a valid document, and how its operations are executed. */
export function analyse(schema: GraphQLSchema, document: DocumentNode, executorOf = interpreted): PreparedDocument {
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
              if (definition?.args.some(({ name }) => name === 'token')) takesToken = true
              if (isRoot && typeInfo.getParentType() === schema.getSubscriptionType()) rootField = field
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
    operations.set(node.name?.value ?? '', {
      node,
      isShared: isShared && node.operation === 'subscription',
      resultVariables: [...resultVariables],
      takesToken,
      cost: costOf(schema, document, node),
      execute: executorOf(schema, document, node),
    })
  }
  return { document, errors: [], usesIntrospection, operations }
}
