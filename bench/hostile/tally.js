/** What an attacker got. */
export class Tally {
  answers = 0
  /** By status or code. */
  refusals = {}
  closes = {}
  bytesIn = 0
  bytesOut = 0
  /** Further remarks for the report. */
  notes = []

  refused(code) {
    this.refusals[code] = (this.refusals[code] ?? 0) + 1
  }

  closed(code) {
    this.closes[code] = (this.closes[code] ?? 0) + 1
  }

  /** A frame of either protocol, or a body; only its beginning is looked at. */
  came(data) {
    this.bytesIn += data.length
    const start = data.subarray(0, 4096).toString('latin1')
    const legacy = /^\{"type":"error","code":(\d+)/.exec(start)
    if (legacy) return this.refused(legacy[1])
    if (/"type":"error"|"errors":\[/.test(start)) return this.refused(/"code":"([A-Z_]+)"/.exec(start)?.[1] ?? 'error')
    if (/"type":"(connection_ack|connection_established|complete)"/.test(start)) return
    this.answers++
  }
}
