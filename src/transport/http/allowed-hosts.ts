import { isIP } from 'node:net'

export interface OwnNamesOptions {
  /** What the server listens on. */
  host: string
  allowedOrigins: readonly string[] | undefined
}

/**
 * Whether the name in a request's `Host` can be none that another site has pointed here: its page would be of the same origin
 * as ours and could read it (DNS rebinding).
 */
export function createAllowedHosts({ host, allowedOrigins = [] }: OwnNamesOptions): (hostHeader: string | undefined) => boolean {
  const allowed = new Set(allowedOrigins.map((origin) => new URL(origin).host))
  return (hostHeader) => {
    const url = `http://${hostHeader}`
    if (hostHeader === undefined || !URL.canParse(url)) return false
    const { hostname } = new URL(url)
    const isAddress = isIP(hostname.replace(/^\[|\]$/g, '')) > 0
    return isAddress || hostname === 'localhost' || hostname === host || allowed.has(hostHeader)
  }
}
