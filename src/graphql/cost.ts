import {
  getNamedType,
  getNullableType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type ArgumentNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql'
import type { Variables } from './execute.ts'

/** How often a selection is resolved for each parent: a number, or a function of the variables. */
type Size = number | ((variables: Variables) => number)

/** A field with a selection, and how often that selection is resolved for each parent. */
interface CostNode {
  /** Fields selected directly. */
  fields: number
  children: { size: Size; node: CostNode }[]
}

/** A size below 1 is rejected later; until then it must not make the rest look cheap. */
const atLeastOne = (size: unknown): number => (Number(size) >= 1 ? Number(size) : 1)

/** The assumed size of a list without `first`. */
const PLAIN_LIST = 5

/** As how many fields a text counts that may be long, where `longTexts` are counted: to encode it takes as long. */
const LONG_TEXT = 5

/** A number, or a function of the operation's variables as execution sees them (coerced, with defaults). */
export type Cost = number | ((variables: Variables) => number)

/**
 * How many fields an operation may resolve at most: each field counts once for each item of the pages around it. The document
 * must be valid.
 */
// oxlint-disable-next-line max-lines-per-function -- one compiler of a document, whose mutually recursive parts share what was compiled
export function costOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  longTexts: Readonly<Record<string, readonly string[]>> = {},
): Cost {
  let isFixed = true
  const ofVariables = (size: (variables: Variables) => number): Size => {
    isFixed = false
    return size
  }
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  /** Null counts as absent, as in the resolvers. */
  const sizeOf = (value: ValueNode | undefined, absent: number): Size => {
    if (value?.kind === Kind.INT) return atLeastOne(value.value)
    if (value?.kind !== Kind.VARIABLE) return absent
    const name = value.name.value
    return ofVariables((variables) => atLeastOne(variables[name] ?? absent))
  }

  /** The requested page size of a field: its argument `first`, or that in an input object; undefined if it has none. */
  function pageSizeOf(field: GraphQLField<unknown, unknown> | undefined, args: readonly ArgumentNode[]): Size | undefined {
    for (const definition of field?.args ?? []) {
      const value = args.find(({ name }) => name.value === definition.name)?.value
      if (definition.name === 'first') return sizeOf(value, Number(definition.defaultValue ?? 1))
      const type = getNamedType(definition.type)
      const first = isInputObjectType(type) ? type.getFields()['first'] : undefined
      if (!first) continue
      const absent = Number(first.defaultValue ?? 1)
      if (value?.kind !== Kind.VARIABLE) {
        const fields = value?.kind === Kind.OBJECT ? value.fields : []
        return sizeOf(fields.find(({ name }) => name.value === 'first')?.value, absent)
      }
      const name = value.name.value
      return ofVariables((variables) => atLeastOne((variables[name] as { first?: unknown } | null | undefined)?.first ?? absent))
    }
    return undefined
  }

  /** How often a selection counts, by its @skip and @include: 1 or 0, or a function of the variables; undefined if always. */
  function conditionOf({ directives = [] }: SelectionNode): Size | undefined {
    const conditions: ((variables: Variables) => boolean)[] = []
    for (const { name, arguments: args } of directives) {
      const wanted = name.value === 'include'
      const value = args?.find((arg) => arg.name.value === 'if')?.value
      if (!value || (!wanted && name.value !== 'skip')) continue
      if (value.kind === Kind.VARIABLE) conditions.push((variables) => variables[value.name.value] === wanted)
      else if (value.kind === Kind.BOOLEAN && value.value !== wanted) return 0
    }
    if (conditions.length === 0) return undefined
    return ofVariables((variables) => (conditions.every((holds) => holds(variables)) ? 1 : 0))
  }

  /** Compile each fragment once: fragments that spread others twice would double with every level. */
  const compiled = new Map<string, CostNode>()

  function compileFragment(name: string): CostNode {
    let node = compiled.get(name)
    if (!node) {
      compiled.set(name, (node = { fields: 0, children: [] }))
      const fragment = fragments.get(name)
      if (fragment) compile(fragment.selectionSet, schema.getType(fragment.typeCondition.name.value), node)
    }
    return node
  }

  function compile({ selections }: SelectionSetNode, type: GraphQLNamedType | undefined, into: CostNode): CostNode {
    for (const selection of selections) {
      const condition = conditionOf(selection)
      if (condition === undefined) {
        compileSelection(selection, type, into)
        continue
      }
      const node: CostNode = { fields: 0, children: [] }
      compileSelection(selection, type, node)
      into.children.push({ size: condition, node })
    }
    return into
  }

  function compileSelection(selection: SelectionNode, type: GraphQLNamedType | undefined, into: CostNode): void {
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      into.children.push({ size: 1, node: compileFragment(selection.name.value) })
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      const condition = selection.typeCondition
      compile(selection.selectionSet, condition ? schema.getType(condition.name.value) : type, into)
    } else {
      into.fields += type && longTexts[type.name]?.includes(selection.name.value) ? LONG_TEXT : 1
      if (!selection.selectionSet) return
      const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[selection.name.value] : undefined
      const page = pageSizeOf(field, selection.arguments ?? [])
      const isConnection = page === undefined && /^(edges|nodes)$/.test(selection.name.value)
      const isList = !isConnection && isListType(field && getNullableType(field.type))
      const size = page ?? (isList ? PLAIN_LIST : 1)
      const inner = field && getNamedType(field.type)
      into.children.push({ size, node: compile(selection.selectionSet, inner, { fields: 0, children: [] }) })
    }
  }

  function evaluate(node: CostNode, variables: Variables, known: Map<CostNode, number>): number {
    let cost = known.get(node)
    if (cost !== undefined) return cost
    cost = node.fields
    for (const { size, node: child } of node.children) {
      const times = typeof size === 'function' ? size(variables) : size
      if (times > 0) cost += evaluate(child, variables, known) * times
    }
    known.set(node, cost)
    return cost
  }

  const tree = compile(operation.selectionSet, rootOf(schema, operation), { fields: 0, children: [] })
  return isFixed ? evaluate(tree, {}, new Map()) : (variables) => evaluate(tree, variables, new Map())
}

function rootOf(schema: GraphQLSchema, { operation }: OperationDefinitionNode): GraphQLNamedType | undefined {
  return schema.getRootType(operation) ?? undefined
}
