import { Kind, type DocumentNode, type GraphQLSchema, type OperationDefinitionNode } from 'graphql'
import type { Cost } from './cost.ts'
import { compile, interpreted, type Execute, type Variables } from './execute.ts'

/** An operation is compiled when it was executed this often. */
const HOT_EXECUTIONS = 200
/** How many operations are compiled at the same time; each has some 100 to 500 KB. */
const COMPILED_LIMIT = 64
/** Compiling takes some 5 to 50 ms, which nobody may make the server spend all the time. */
const COMPILE_EVERY_MS = 1000
/** Larger documents, and those that may resolve more fields, are not compiled. */
const MAX_TOKENS = 200
const MAX_COST = 100

/** What is known of a client's operation. */
export interface OperationFacts {
  /** Of its whole document. */
  tokens: number
  cost: Cost
  usesIntrospection: boolean
  /** Whether variables certainly have their declared types. */
  check: (variables: Variables) => boolean
}

/** An operation that may be compiled. */
class HotOperation {
  executions = 0
  run: Execute | undefined
}

/**
 * Compiles the few small operations that clients execute again and again, such as sends and event streams. Everything else is
 * interpreted: a compiled operation costs time and memory, which are bounded here whatever clients send.
 */
export class HotOperations {
  /** Oldest first. */
  readonly #compiled = new Set<HotOperation>()
  #lastAt = -Infinity
  readonly #compile: typeof compile
  readonly #hotExecutions: number
  readonly #everyMs: number

  /** `hotExecutions`: when an operation is compiled; Infinity: never. `everyMs`: how long after another one at least. */
  constructor(compileOperation = compile, { hotExecutions = HOT_EXECUTIONS, everyMs = COMPILE_EVERY_MS } = {}) {
    this.#compile = compileOperation
    this.#hotExecutions = hotExecutions
    this.#everyMs = everyMs
  }

  /** How to execute an operation. */
  executorOf(schema: GraphQLSchema, document: DocumentNode, node: OperationDefinitionNode, facts: OperationFacts): Execute {
    const interpret = interpreted(schema, document, node)
    const { tokens, cost, usesIntrospection, check } = facts
    const isSmall = tokens <= MAX_TOKENS && typeof cost === 'number' && cost <= MAX_COST
    if (!isSmall || usesIntrospection || hasSeveralMutations(node)) return interpret
    const hot = new HotOperation()
    return (rootValue, contextValue, variables) => {
      const run = hot.run ?? this.#count(hot, () => this.#compile(schema, document, node)) ?? interpret
      // The interpreter decides on all other values.
      return (check(variables) ? run : interpret)(rootValue, contextValue, variables)
    }
  }

  /** Counts an execution; returns the compiled operation if it is time. */
  #count(hot: HotOperation, compileIt: () => Execute): Execute | undefined {
    if (++hot.executions < this.#hotExecutions) return undefined
    const now = performance.now()
    if (now - this.#lastAt < this.#everyMs) return undefined
    this.#lastAt = now
    try {
      hot.run = compileIt()
    } catch {
      hot.executions = -Infinity
      return undefined
    }
    this.#compiled.add(hot)
    if (this.#compiled.size > COMPILED_LIMIT) this.#release(this.#compiled.values().next().value as HotOperation)
    return hot.run
  }

  #release(oldest: HotOperation): void {
    this.#compiled.delete(oldest)
    oldest.run = undefined
    oldest.executions = 0
  }
}

/** The interpreter carries out no more of them after one that failed; compiled, all are carried out. */
function hasSeveralMutations({ operation, selectionSet: { selections } }: OperationDefinitionNode): boolean {
  return operation === 'mutation' && (selections.length > 1 || selections[0]?.kind !== Kind.FIELD)
}
