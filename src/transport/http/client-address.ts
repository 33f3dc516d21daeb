import type { IncomingMessage } from 'node:http'
import { isIP, type BlockList } from 'node:net'

/** IPv4 notation, also for IPv4 over a dual-stack socket. */
const plain = (address: string): string => (/^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address)

const contains = (networks: BlockList, address: string): boolean => {
  const version = isIP(address)
  return version !== 0 && networks.check(address, version === 6 ? 'ipv6' : 'ipv4')
}

/** The address in an element of `X-Forwarded-For`, to which some proxies add a port; undefined for anything else. */
function addressIn(hop: string): string | undefined {
  const [, bracketed, dotted] = /^\s*(?:\[([\da-f:.]+)\](?::\d+)?|([\d.]+)(?::\d+)?)\s*$/i.exec(hop) ?? []
  const address = plain(bracketed ?? dotted ?? hop.trim())
  return isIP(address) === 0 ? undefined : address
}

/**
 * The client's address: that of the peer, or, if the peer is a trusted proxy, the last one in `X-Forwarded-For` that is not a
 * trusted proxy's. Nothing before an invalid element can be trusted.
 */
export function clientAddress({ socket, headers }: IncomingMessage, trusted: BlockList): string {
  const hops = String(headers['x-forwarded-for'] ?? '').split(',')
  let address = plain(socket.remoteAddress ?? '')
  while (contains(trusted, address)) {
    const before = addressIn(hops.pop() ?? '')
    if (before === undefined) break
    address = before
  }
  return address
}

/**
 * The addresses that one client can choose from: with IPv6 a network of 64 bits (RFC 4291, section 2.5.4), otherwise one
 * address.
 */
function networkOf(address: string): string {
  if (isIP(address) !== 6) return address
  const [left = [], right = []] = address.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const missing = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0')
  const groups = [...left, ...missing, ...right].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
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
