/** Whether objects and lists are nested more than so many levels deep. To be asked before anything that recurses, such as JSON.stringify. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(inner, levels - 1))
}
