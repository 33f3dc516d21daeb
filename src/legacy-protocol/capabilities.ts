/** What a connection may ask for beyond sections 1 to 8 of docs/protocol.md (section 9). */

/** In the order in which they are listed to clients. */
export const CAPABILITIES = ['edits', 'replies', 'reads', 'profiles'] as const
export type Capability = (typeof CAPABILITIES)[number]

/** A set of capabilities: the bit 1 << n for the one at n. */
export type CapabilitySet = number
export const NO_CAPABILITIES: CapabilitySet = 0
export const ALL_CAPABILITIES: CapabilitySet = (1 << CAPABILITIES.length) - 1

/** The set of those that this server knows; others are ignored. */
export const capabilitySet = (names: readonly string[]): CapabilitySet =>
  CAPABILITIES.reduce((set, name, at) => (names.includes(name) ? set | (1 << at) : set), NO_CAPABILITIES)

export const hasCapability = (set: CapabilitySet, name: Capability): boolean => (set & (1 << CAPABILITIES.indexOf(name))) !== 0

export const capabilityNames = (set: CapabilitySet): Capability[] => CAPABILITIES.filter((name) => hasCapability(set, name))

/** The value of the handshake's header `Capabilities`: names separated by commas. */
export const parseCapabilities = (header: string): CapabilitySet => capabilitySet(header.split(',').map((name) => name.trim()))

const SUBPROTOCOL = 'capabilities.'
/** The subprotocol that asks for the same in the handshake, for browsers: `capabilities.edits.replies`. */
export const capabilitiesSubprotocol = (names: readonly Capability[]): string => SUBPROTOCOL + names.join('.')
export const isCapabilitiesSubprotocol = (protocol: string): boolean => protocol.startsWith(SUBPROTOCOL)
export const parseCapabilitiesSubprotocol = (protocol: string): CapabilitySet =>
  capabilitySet(protocol.slice(SUBPROTOCOL.length).split('.'))
