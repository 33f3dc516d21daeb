import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Network } from '../../settings/values.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** IPv4 as such where it is mapped to IPv6 (`::ffff:10.0.0.1`); undefined for a text that is not an address. */
const parseAddress = (text: string): Address | undefined => (isIP(text) === 0 ? undefined : ipaddr.process(text))

const contains = (networks: readonly Network[], address: Address): boolean =>
  networks.some(([start, bits]) => start.kind() === address.kind() && address.match(start, bits))

/** The address in an element of `X-Forwarded-For`, to which some proxies add a port; undefined for anything else. */
function addressIn(hop: string): Address | undefined {
  const [, bracketed, dotted] = /^\s*(?:\[([\da-f:.]+)\](?::\d+)?|([\d.]+)(?::\d+)?)\s*$/i.exec(hop) ?? []
  return parseAddress(bracketed ?? dotted ?? hop.trim())
}

/**
 * The client's address: that of the peer, or, if the peer is a trusted proxy, the last one in `X-Forwarded-For` that is not a
 * trusted proxy's. Nothing before an invalid element can be trusted.
 */
export function clientAddress({ socket, headers }: IncomingMessage, trusted: readonly Network[]): string {
  const hops = String(headers['x-forwarded-for'] ?? '').split(',')
  let address = parseAddress(socket.remoteAddress ?? '')
  while (address && contains(trusted, address)) {
    const before = addressIn(hops.pop() ?? '')
    if (before === undefined) break
    address = before
  }
  return address?.toString() ?? ''
}

/** The addresses that one client can choose from: with IPv6 a network of 64 bits (RFC 4291, section 2.5.4), otherwise one address. */
function networkOf(text: string): string {
  const address = parseAddress(text)
  return address instanceof ipaddr.IPv6
    ? `${address.parts
        .slice(0, 4)
        .map((part) => part.toString(16))
        .join(':')}::/64`
    : text
}

/** Counts what is open for each address, and for each IPv6 network of 64 bits. */
export interface AddressLimit {
  /** Acquires a slot; undefined if the address has as many as allowed. Returns its release function. */
  acquire(address: string): (() => void) | undefined
}

/** 0 means no limit. */
export function createAddressLimit(limit: number): AddressLimit {
  const counts = new Map<string, number>()
  return {
    acquire(address) {
      const network = networkOf(address)
      const count = counts.get(network) ?? 0
      if (limit > 0 && count >= limit) return undefined
      counts.set(network, count + 1)
      let isTaken = true
      return () => {
        if (!isTaken) return
        isTaken = false
        const left = (counts.get(network) as number) - 1
        if (left === 0) counts.delete(network)
        else counts.set(network, left)
      }
    },
  }
}
