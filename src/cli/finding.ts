/** `fail`: a server would not start, or would not keep its guarantees; `warn`: worth a look. */
export interface Finding {
  level: 'ok' | 'warn' | 'fail'
  area: string
  text: string
  /** What to do about it. */
  advice?: string
}
