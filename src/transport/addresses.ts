import type { IncomingMessage } from 'node:http'
import { isIP, type BlockList } from 'node:net'

/** IPv4 in its own form, also where it came over a socket for both. */
const plain = (address: string): string => (/^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address)

const contains = (networks: BlockList, address: string): boolean => {
  const version = isIP(address)
  return version !== 0 && networks.check(address, version === 6 ? 'ipv6' : 'ipv4')
}

/**
 * Whose request it is: the address of the peer, or, where that is a trusted proxy, the last one in `X-Forwarded-For` that
 * none of them wrote about itself.
 */
export function clientAddress({ socket, headers }: IncomingMessage, trusted: BlockList): string {
  const hops = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((hop) => plain(hop.trim()))
    .filter((hop) => isIP(hop) !== 0)
  let address = plain(socket.remoteAddress ?? '')
  while (contains(trusted, address) && hops.length > 0) address = hops.pop() as string
  return address
}

/** Counts what is open of each address. */
export interface AddressLimit {
  /** Takes a place; undefined where the address has as many as allowed. The place is to be given back once. */
  take(address: string): (() => void) | undefined
}

/** With a limit of 0 there is none. */
export function createAddressLimit(limit: number): AddressLimit {
  const counts = new Map<string, number>()
  return {
    take(address) {
      const count = counts.get(address) ?? 0
      if (limit > 0 && count >= limit) return undefined
      counts.set(address, count + 1)
      let isTaken = true
      return () => {
        if (!isTaken) return
        isTaken = false
        const left = (counts.get(address) as number) - 1
        if (left === 0) counts.delete(address)
        else counts.set(address, left)
      }
    },
  }
}
