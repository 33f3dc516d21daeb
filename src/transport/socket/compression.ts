import type { IncomingMessage } from 'node:http'
import type { WebSocketServer } from 'ws'
import { agreeOnDeflate, type DeflateAgreement } from './deflate-offer.ts'

/**
 * Whether messages are compressed for clients that offer permessage-deflate (RFC 7692): all of them for each socket by itself, or events once
 * for all sockets together.
 */
export type Compression = boolean | 'shared'

/** What `ws` takes for it. Short messages grow by compressing, and each socket's window is memory. */
export const perMessageDeflate = (compression: Compression) =>
  compression === true ? { threshold: 1024, clientNoContextTakeover: true } : false

const offersOf = ({ headers }: IncomingMessage): string | undefined => headers['sec-websocket-extensions']

/** What was agreed with the client of a request to upgrade; undefined where nothing was, or `ws` does it. */
export const agreementWith = (request: IncomingMessage, compression: Compression): DeflateAgreement | undefined =>
  compression === 'shared' ? agreeOnDeflate(offersOf(request)) : undefined

/** Lets a server tell its clients what is agreed. */
export function announceAgreements(server: WebSocketServer, compression: Compression): void {
  if (compression !== 'shared') return
  server.on('headers', (headers, request) => {
    const agreement = agreementWith(request, compression)
    if (agreement) headers.push(`Sec-WebSocket-Extensions: ${agreement.header}`)
  })
}
