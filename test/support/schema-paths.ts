import {
  getNamedType,
  isAbstractType,
  isCompositeType,
  isObjectType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql'

/** One step down from an object: the field, and the object type that it leads to. */
export interface Step {
  parent: string
  field: string
  /** What is selected between the field and the next object: a page's wrappers, a fragment of an interface. */
  wrap: readonly string[]
  type: GraphQLObjectType
}

/** The object types that a field leads to, each with what has to be selected on the way; a page counts as its nodes. */
function targetsOf(schema: GraphQLSchema, field: GraphQLField<unknown, unknown>): Omit<Step, 'parent' | 'field'>[] {
  const type = getNamedType(field.type)
  if (isAbstractType(type))
    return schema.getPossibleTypes(type).map((possible) => ({ wrap: [`... on ${possible.name}`], type: possible }))
  if (!isObjectType(type)) return []
  const edges = type.getFields()['edges']
  if (!edges) return [{ wrap: [], type }]
  const node = (getNamedType(edges.type) as GraphQLObjectType).getFields()['node'] as GraphQLField<unknown, unknown>
  return [{ wrap: ['edges', 'node'], type: getNamedType(node.type) as GraphQLObjectType }]
}

/** How deep an operation may be. */
const DEPTH_LIMIT = 12
/** How deep the leaves of a path are. */
const depthOf = (path: readonly Step[]): number =>
  1 + path.reduce((sum, { wrap }) => sum + 1 + wrap.filter((name) => !name.startsWith('...')).length, 0)

/** Every path of at most `depth` objects that starts with a root field, as far as an operation may go. */
export function pathsFrom(schema: GraphQLSchema, root: GraphQLObjectType, field: string, depth: number): Step[][] {
  const paths: Step[][] = []
  const walk = (path: Step[]): void => {
    if (depthOf(path) > DEPTH_LIMIT) return
    paths.push(path)
    const last = path.at(-1) as Step
    if (path.length === depth) return
    for (const next of Object.values(last.type.getFields()))
      for (const target of targetsOf(schema, next)) walk([...path, { parent: last.type.name, field: next.name, ...target }])
  }
  for (const target of targetsOf(schema, root.getFields()[field] as GraphQLField<unknown, unknown>))
    walk([{ parent: root.name, field, ...target }])
  return paths
}

/** The fields of a type that lead to no further object. */
export const leavesOf = (type: GraphQLObjectType): string[] =>
  Object.values(type.getFields())
    .filter((field) => !isCompositeType(getNamedType(field.type)))
    .map(({ name }) => name)

/** The selection of paths that start with the same field: ids on the way, and all leaves of each one's last type. */
export function selectionOf(paths: readonly (readonly Step[])[]): string {
  const steps = new Map<string, { step: Step; ends: boolean; rest: Step[][] }>()
  for (const [step, ...rest] of paths as [Step, ...Step[]][]) {
    const name = step.wrap.join(' ')
    const found = steps.get(name) ?? { step, ends: false, rest: [] }
    steps.set(name, found)
    if (rest.length === 0) found.ends = true
    else found.rest.push(rest)
  }
  const selections = [...steps.values()].map(({ step: { type, wrap }, ends, rest }) => {
    const inner = [ends ? leavesOf(type).join(' ') : idOf(type)]
    for (const field of new Set(rest.map(([next]) => (next as Step).field)))
      inner.push(`${field} ${pageOf(type, field)} ${selectionOf(rest.filter(([next]) => next?.field === field))}`)
    return [...wrap.map((name) => `${name} {`), ...inner, ...wrap.map(() => '}')].join(' ')
  })
  return `{ __typename ${selections.join(' ')} }`
}

/** Pages in pages are small: what an operation may resolve is limited. */
const pageOf = (type: GraphQLObjectType, field: string): string =>
  type.getFields()[field]?.args.some(({ name }) => name === 'first') ? '(first: 5)' : ''

const idOf = (type: GraphQLObjectType): string => ('id' in type.getFields() ? 'id' : '__typename')
