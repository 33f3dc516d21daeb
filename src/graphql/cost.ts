import {
  getNamedType,
  isObjectType,
  isInterfaceType,
  Kind,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql'

/** How large a page is: a number, or the variable that says so. */
type Size = number | { variable: string; absent: number }

/** A field with a selection, and how often that selection is resolved for each parent. */
interface CostNode {
  /** Fields selected directly. */
  fields: number
  children: { size: Size; node: CostNode }[]
}

/** What a list costs that has no `first`, as multiple of one of its items. */
const PLAIN_LIST = 5

/**
 * How many fields an operation may resolve at most, as a function of its variables: each field counts once for each item of
 * the pages around it. To be called with a valid document.
 */
export function costOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): (variables: Readonly<Record<string, unknown>>) => number {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  const defaults = new Map(
    (operation.variableDefinitions ?? []).map(({ variable, defaultValue }) => [variable.name.value, defaultValue]),
  )

  const sizeOf = (value: ValueNode | undefined, absent: number): Size => {
    if (value?.kind === Kind.INT) return Number(value.value)
    if (value?.kind !== Kind.VARIABLE) return absent
    const whenAbsent = defaults.get(value.name.value)
    return { variable: value.name.value, absent: whenAbsent?.kind === Kind.INT ? Number(whenAbsent.value) : absent }
  }

  /** Each fragment once: those that spread others twice would double with every level. */
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
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        into.children.push({ size: 1, node: compileFragment(selection.name.value) })
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const condition = selection.typeCondition
        compile(selection.selectionSet, condition ? schema.getType(condition.name.value) : type, into)
      } else {
        into.fields++
        if (!selection.selectionSet) continue
        const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[selection.name.value] : undefined
        const first = field?.args.find(({ name }) => name === 'first')
        const value = selection.arguments?.find(({ name }) => name.value === 'first')?.value
        const isConnection = first === undefined && /^(edges|nodes)$/.test(selection.name.value)
        const isList = !isConnection && /\[/.test(String(field?.type ?? ''))
        const size = first ? sizeOf(value, Number(first.defaultValue ?? 1)) : isList ? PLAIN_LIST : 1
        const inner = field && getNamedType(field.type)
        into.children.push({ size, node: compile(selection.selectionSet, inner, { fields: 0, children: [] }) })
      }
    }
    return into
  }

  function evaluate(node: CostNode, variables: Readonly<Record<string, unknown>>, known: Map<CostNode, number>): number {
    let cost = known.get(node)
    if (cost !== undefined) return cost
    cost = node.fields
    for (const { size, node: child } of node.children) {
      const given = typeof size === 'number' ? size : Number(variables[size.variable] ?? size.absent)
      // A size below 1 is refused later; until then it must not make the rest look cheap.
      cost += evaluate(child, variables, known) * (given >= 1 ? given : 1)
    }
    known.set(node, cost)
    return cost
  }

  const tree = compile(operation.selectionSet, rootOf(schema, operation), { fields: 0, children: [] })
  return (variables) => evaluate(tree, variables, new Map())
}

function rootOf(schema: GraphQLSchema, { operation }: OperationDefinitionNode): GraphQLNamedType | undefined {
  return schema.getRootType(operation) ?? undefined
}
