import { GraphQLError, type ASTVisitor, type ValidationContext } from 'graphql'
import { beginning, NUL_OR_SURROGATE } from '../limits.ts'
import type { Variables } from './execute.ts'

const problemIn = (name: string): string =>
  `${beginning(name)} has a NUL character or a lone surrogate, expected Unicode text without`

/**
 * What is wrong with the strings in a request's variables, names in JSON included; null if nothing. The database can store
 * neither NUL nor lone surrogates: rejected here, they reach no statement, whatever the argument.
 */
export function problemWithTexts(variables: Variables): string | null {
  // A stack instead of recursion: clients control the depth.
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

/** The same for strings in the document. */
export const TextsRule = (context: ValidationContext): ASTVisitor => ({
  StringValue(node) {
    if (NUL_OR_SURROGATE.test(node.value)) context.reportError(new GraphQLError(problemIn('a text'), { nodes: [node] }))
  },
})
