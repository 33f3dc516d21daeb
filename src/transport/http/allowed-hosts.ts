import { isIP } from 'node:net'

export interface AllowedHostsOptions {
  /** The address the server listens on. */
  host: string
  allowedOrigins: readonly string[] | undefined
}

/**
 * Whether the name in a request's `Host` can't be one that another site has pointed here: that site's page would have the same
 * origin as ours and could read it (DNS rebinding).
 */
export function createAllowedHosts({
  host,
  allowedOrigins = [],
}: AllowedHostsOptions): (hostHeader: string | undefined) => boolean {
  const allowed = new Set(allowedOrigins.map((origin) => new URL(origin).host))
  return (hostHeader) => {
    const url = `http://${hostHeader}`
    if (hostHeader === undefined || !URL.canParse(url)) return false
    const { hostname } = new URL(url)
    const isAddress = isIP(hostname.replace(/^\[|\]$/g, '')) > 0
    return isAddress || hostname === 'localhost' || hostname === host || allowed.has(hostHeader)
  }
}
