import type { IncomingMessage } from 'node:http'
import type { WebSocketServer } from 'ws'
import { agreeOnDeflate, type DeflateAgreement } from './deflate-offer.ts'

/**
 * Whether messages are compressed for clients that offer permessage-deflate (RFC 7692): all of them for each socket by itself, or events once
 * for all sockets together.
 */
export type Compression = boolean | 'shared'

/** The option of `ws` for it. Short messages grow when compressed, and each socket's window takes memory. */
export const perMessageDeflate = (compression: Compression) =>
  compression === true ? { threshold: 1024, clientNoContextTakeover: true } : false

const offersOf = ({ headers }: IncomingMessage): string | undefined => headers['sec-websocket-extensions']

/** The extension negotiated with the client of an upgrade request; undefined if there is none, or if `ws` negotiates it. */
export const agreementWith = (request: IncomingMessage, compression: Compression): DeflateAgreement | undefined =>
  compression === 'shared' ? agreeOnDeflate(offersOf(request)) : undefined

/** Adds the negotiated extension to the server's upgrade responses. */
export function announceAgreements(server: WebSocketServer, compression: Compression): void {
  if (compression !== 'shared') return
  server.on('headers', (headers, request) => {
    const agreement = agreementWith(request, compression)
    if (agreement) headers.push(`Sec-WebSocket-Extensions: ${agreement.header}`)
  })
}
