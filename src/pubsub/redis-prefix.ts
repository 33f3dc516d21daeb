/**
 * What every key and channel of an installation begins with. Those that share a database by schemas are often given one Redis
 * too, and must not hear of each other's events.
 */
export const redisPrefixOf = (prefix: string, schema: string): string => (schema === 'public' ? prefix : `${prefix}${schema}:`)
