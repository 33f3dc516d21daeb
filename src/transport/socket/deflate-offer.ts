/** How messages to a client are compressed, as negotiated (RFC 7692, section 7.1). Clients with equal parameters share the object. */
export interface DeflateAgreement {
  /** The client's window is 2 to the power of this, in bytes. */
  readonly windowBits: number
  /** `server_no_context_takeover`: no message may refer to an earlier one. */
  readonly noContextTakeover: boolean
  /** The value of `Sec-WebSocket-Extensions` in the answer. */
  readonly header: string
}

/** An empty stored block: senders remove it from the end of a message, receivers append it again (RFC 7692, section 7.2). */
export const DEFLATE_TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

const NAME = 'permessage-deflate'
/** `name`, `name=token` or `name="token"`. */
const PARAMETER = /^([\w-]+)(?:\s*=\s*(?:([\w-]+)|"([\w-]+)"))?$/
const WINDOW_BITS = /^(?:[89]|1[0-5])$/
const MAX_WINDOW_BITS = 15

/** The parameters that may be offered, and the check of each one's value; undefined if it came without one. */
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
  const noContextTakeover = parameters.has('server_no_context_takeover')
  const windowBits = parameters.get('server_max_window_bits')
  const clientBits = parameters.get('client_max_window_bits')
  const header = [
    NAME,
    // Messages of clients are inflated one by one: to keep a window for each client would take 32 KiB of memory and more.
    'client_no_context_takeover',
    ...(noContextTakeover ? ['server_no_context_takeover'] : []),
    ...(windowBits === undefined ? [] : [`server_max_window_bits=${windowBits}`]),
    ...(clientBits === undefined ? [] : [`client_max_window_bits=${clientBits}`]),
  ].join('; ')
  let agreement = agreements.get(header)
  if (!agreement) {
    agreement = { windowBits: windowBits === undefined ? MAX_WINDOW_BITS : Number(windowBits), noContextTakeover, header }
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
