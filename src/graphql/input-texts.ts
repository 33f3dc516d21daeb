import { GraphQLError, type ASTVisitor, type ValidationContext } from 'graphql'
import { beginning, NUL_OR_SURROGATE } from '../limits.ts'
import type { Variables } from './execute.ts'

const problemIn = (name: string): string =>
  `${beginning(name)} has a NUL character or a lone surrogate, expected Unicode text without`

/**
 * What is wrong with the texts of a request's variables, the names in JSON included; null if nothing is. The database can
 * store neither NUL nor a lone surrogate: refused here, no statement meets one, whatever the argument is for.
 */
export function problemWithTexts(variables: Variables): string | null {
  // A list instead of recursion: the nesting is the client's.
  const values: unknown[] = [variables]
  const names: string[] = ['variables']
  while (values.length > 0) {
    const value = values.pop()
    const name = names.pop() as string
    if (typeof value === 'string') {
      if (NUL_OR_SURROGATE.test(value)) return problemIn(name)
    } else if (Array.isArray(value)) {
      for (const item of value) {
        values.push(item)
        names.push(name)
      }
    } else if (typeof value === 'object' && value !== null) {
      for (const [member, item] of Object.entries(value)) {
        if (NUL_OR_SURROGATE.test(member)) return problemIn(member)
        values.push(item)
        names.push(member)
      }
    }
  }
  return null
}

/** The same for texts that the document itself holds. */
export const TextsRule = (context: ValidationContext): ASTVisitor => ({
  StringValue(node) {
    if (NUL_OR_SURROGATE.test(node.value)) context.reportError(new GraphQLError(problemIn('a text'), { nodes: [node] }))
  },
})
