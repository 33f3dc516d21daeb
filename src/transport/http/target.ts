import type { IncomingMessage } from 'node:http'

/**
 * The request target as the server routes it: without scheme and authority, which HTTP/1.1 allows before the path (RFC 9112,
 * section 3.2.2), and `/graphql/` as `/graphql`.
 */
export function normalTarget(url = '/'): string {
  const target = url.replace(/^https?:\/\/[^/?#]*/i, '')
  return (target.startsWith('/') || target === '*' ? target : `/${target}`).replace(/^\/graphql\/(?=[?#]|$)/, '/graphql')
}

export const pathOf = (target: string): string => target.split('?', 1)[0] as string

/** Whether the target, percent-decoded, is text: UTF-8 or ASCII. */
export function isText(target: string): boolean {
  // Node decodes bytes beyond ASCII as Latin-1, which is not what was sent.
  if (/[^\0-\x7f]/.test(target)) return false
  try {
    for (const [bytes] of target.matchAll(/(?:%[0-9a-f]{2})+/gi)) decodeURIComponent(bytes)
    return true
  } catch {
    return false
  }
}

/** A host and a port (RFC 3986, section 3.2): a name, an IPv4 or an IPv6 address. */
const HOST = /^(?:[\w.~!$&'()*+,;=%-]*|\[[\w.:]+\])(?::\d*)?$/

/** Whether a request has no more than one `Host`, and that one is no other text (RFC 9112, section 3.2); Node checks that it has one. */
export function hasOneHost({ rawHeaders, headers }: Pick<IncomingMessage, 'rawHeaders' | 'headers'>): boolean {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === 'host') count++
  return count <= 1 && HOST.test(headers.host ?? '')
}
