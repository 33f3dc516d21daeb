/** What was agreed with a client on how messages to it are compressed (RFC 7692, section 7.1); the same object for all clients alike. */
export interface DeflateAgreement {
  /** The client's window is 2 to the power of this, in bytes. */
  readonly windowBits: number
  /** Whether the client forgets a message when it ends, so that none may refer to an earlier one. */
  readonly forgets: boolean
  /** The value of `Sec-WebSocket-Extensions` in the answer. */
  readonly header: string
}

/** An empty stored block, which a sender takes off the end of a message and a receiver puts there again (RFC 7692, section 7.2). */
export const DEFLATE_TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

const NAME = 'permessage-deflate'
/** `name`, `name=token` or `name="token"`. */
const PARAMETER = /^([\w-]+)(?:\s*=\s*(?:([\w-]+)|"([\w-]+)"))?$/
const WINDOW_BITS = /^(?:[89]|1[0-5])$/
const MAX_WINDOW_BITS = 15

/** The parameters that may be offered, and which values each may have: undefined is none. */
const PARAMETERS: Readonly<Record<string, (value: string | undefined) => boolean>> = {
  server_no_context_takeover: (value) => value === undefined,
  client_no_context_takeover: (value) => value === undefined,
  server_max_window_bits: (value) => value !== undefined && WINDOW_BITS.test(value),
  client_max_window_bits: (value) => value === undefined || WINDOW_BITS.test(value),
}

type Parameters = ReadonlyMap<string, string | undefined>

/** An offer's parameters; undefined where it is not one of permessage-deflate, or has to be declined (RFC 7692, section 7.1). */
function parametersOf(offer: string): Parameters | undefined {
  const [name, ...texts] = offer.split(';').map((part) => part.trim())
  if (name !== NAME) return undefined
  const parameters = new Map<string, string | undefined>()
  for (const text of texts) {
    const [, key = '', token, quoted] = PARAMETER.exec(text) ?? []
    const value = token ?? quoted
    if (!Object.hasOwn(PARAMETERS, key) || parameters.has(key) || !PARAMETERS[key]?.(value)) return undefined
    parameters.set(key, value)
  }
  return parameters
}

const agreements = new Map<string, DeflateAgreement>()

function agreementOn(parameters: Parameters): DeflateAgreement {
  const forgets = parameters.has('server_no_context_takeover')
  const windowBits = parameters.get('server_max_window_bits')
  const clientBits = parameters.get('client_max_window_bits')
  const header = [
    NAME,
    // What clients compress is decompressed one message at a time: a window of each would be 32 KiB and more of memory.
    'client_no_context_takeover',
    ...(forgets ? ['server_no_context_takeover'] : []),
    ...(windowBits === undefined ? [] : [`server_max_window_bits=${windowBits}`]),
    ...(clientBits === undefined ? [] : [`client_max_window_bits=${clientBits}`]),
  ].join('; ')
  let agreement = agreements.get(header)
  if (!agreement) {
    agreement = { windowBits: windowBits === undefined ? MAX_WINDOW_BITS : Number(windowBits), forgets, header }
    agreements.set(header, agreement)
  }
  return agreement
}

/**
 * What to answer to a client's `Sec-WebSocket-Extensions`: its first offer of permessage-deflate that is valid. Undefined where there is
 * none; messages go uncompressed then.
 */
export function agreeOnDeflate(offers: string | undefined): DeflateAgreement | undefined {
  for (const offer of offers?.split(',') ?? []) {
    const parameters = parametersOf(offer.trim())
    if (parameters) return agreementOn(parameters)
  }
  return undefined
}
