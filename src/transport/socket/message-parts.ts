const owns = ({ length, buffer }: Buffer): boolean => length === buffer.byteLength

/**
 * Joins what came so far of a message, so that it takes little more memory than its bytes, in however small parts they come. A part is a view of
 * all that was read with it, which may be 64 KiB. What is joined already is joined again only with half as much that is new.
 */
export function joinParts(parts: Buffer[]): void {
  if (parts.length === 0) return
  const firstView = parts.findIndex((part) => !owns(part))
  let start = firstView < 0 ? parts.length - 1 : firstView
  let bytes = parts.slice(start).reduce((sum, { length }) => sum + length, 0)
  for (let before = parts[start - 1]; before && before.length < 2 * bytes; before = parts[start - 1]) {
    bytes += before.length
    start--
  }
  if (firstView < 0 && start === parts.length - 1) return
  const joined = Buffer.allocUnsafeSlow(bytes)
  let end = 0
  for (const part of parts.splice(start)) end += part.copy(joined, end)
  parts.push(joined)
}
