/** Why a request of a legacy client failed; `messageId` is the id it was sent under; reuse it to repeat a send. */

/** The server answered with an `error` frame. */
export class RequestRefusedError extends Error {
  /** As in HTTP: 400, 401, 403, 404, 409, 429, 500 or 503. */
  readonly code: number
  /** The text for users. */
  readonly msg: string
  /** The reason, for developers. */
  readonly details: { readonly error: string }
  readonly messageId: string

  constructor(data: { code: number; message: string; details: { readonly error: string } }, messageId: string) {
    super(`${data.code} ${data.message}: ${data.details.error}`)
    this.name = 'RequestRefusedError'
    this.code = data.code
    this.msg = data.message
    this.details = data.details
    this.messageId = messageId
  }
}

/** No response arrived in time. If it `wasSent`, whether it was executed is unknown. */
export class RequestTimeoutError extends Error {
  readonly wasSent: boolean
  readonly messageId: string

  constructor(wasSent: boolean, messageId: string) {
    super(wasSent ? 'no answer came in time' : 'there was no connection in time')
    this.name = 'RequestTimeoutError'
    this.wasSent = wasSent
    this.messageId = messageId
  }
}

/** The connection broke before the response arrived, and the request is not safe to repeat. */
export class ConnectionLostError extends Error {
  /** The close code of the connection. */
  readonly code: number
  readonly messageId: string

  constructor(code: number, messageId: string) {
    super(`the connection broke with ${code} before the answer came`)
    this.name = 'ConnectionLostError'
    this.code = code
    this.messageId = messageId
  }
}

/** The client is closed, locally or by the server, and does not reconnect. */
export class ClientClosedError extends Error {
  /** 1000: `close()` or the signal; 4401: no valid token; 4403: disconnected by an administrator. */
  readonly code: number
  readonly reason: string

  constructor(code: number, reason: string, options?: ErrorOptions) {
    super(`the client is closed: ${code} ${reason}`, options)
    this.name = 'ClientClosedError'
    this.code = code
    this.reason = reason
  }
}
