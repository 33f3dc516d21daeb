/** Looks for what matters in a document, without a GraphQL parser: the server reports an invalid one. */
export interface DocumentShape {
  /** Whether the operation is a subscription with a variable `$after`. */
  takesAfter: boolean
  /** Whether its root field selects `id`. */
  selectsId: boolean
}

type Selection = { key: string; of: Selection[] } | { spread: string }

/** The tokens that matter; strings, comments, commas and values are left out. */
const tokensOf = (query: string): string[] =>
  query.replace(/"""(?:\\"""|[^])*?"""|"(?:\\.|[^"\\\n])*"|#.*/g, ' ').match(/\.\.\.|[$@]?[_A-Za-z]\w*|[{}():]/g) ?? []

export function shapeOf(query: string, operationName?: string | null): DocumentShape {
  const tokens = tokensOf(query)
  let at = 0

  /** Arguments or variables, if they come next. */
  function parenthesised(): string[] {
    const from = at
    let depth = 0
    while (at < tokens.length && (tokens[at] === '(' || depth > 0)) {
      if (tokens[at] === '(') depth++
      if (tokens[at++] === ')' && --depth === 0) break
    }
    return tokens.slice(from, at)
  }

  function directives(): void {
    while (tokens[at]?.startsWith('@')) {
      at++
      parenthesised()
    }
  }

  /** A selection set, if one comes next; inline fragments are merged into it. */
  function selections(): Selection[] {
    const found: Selection[] = []
    if (tokens[at] !== '{') return found
    at++
    while (at < tokens.length && tokens[at] !== '}') {
      if (tokens[at] === '...') {
        const name = tokens[++at] as string
        if (name === 'on') at += 2
        const isInline = name === 'on' || name === '{' || name.startsWith('@')
        if (!isInline) at++
        directives()
        found.push(...(isInline ? selections() : [{ spread: name }]))
      } else {
        const key = tokens[at++] as string
        if (tokens[at] === ':') at += 2
        parenthesised()
        directives()
        found.push({ key, of: selections() })
      }
    }
    at++
    return found
  }

  const fragments = new Map<string, Selection[]>()
  let wanted: { isSubscription: boolean; variables: string[]; fields: Selection[] } | undefined
  while (at < tokens.length) {
    const kind = tokens[at]
    if (kind !== '{') at++
    const name = tokens[at]
    if (kind === 'fragment') {
      at += 3
      directives()
      fragments.set(name as string, selections())
      continue
    }
    const isNamed = kind !== '{' && /^\w/.test(name ?? '')
    if (isNamed) at++
    const variables = parenthesised()
    directives()
    const before = at
    const operation = { isSubscription: kind === 'subscription', variables, fields: selections() }
    if (!wanted || (operationName && isNamed && name === operationName)) wanted = operation
    // The server rejects an invalid document.
    if (at === before) break
  }

  const flat = (list: readonly Selection[], depth = 0): { key: string; of: Selection[] }[] =>
    list.flatMap((each) => ('key' in each ? [each] : depth > 20 ? [] : flat(fragments.get(each.spread) ?? [], depth + 1)))
  const [root] = flat(wanted?.fields ?? [])
  return {
    takesAfter: wanted?.isSubscription === true && wanted.variables.includes('$after'),
    selectsId: flat(root?.of ?? []).some(({ key }) => key === 'id'),
  }
}
