import { Console } from 'node:console'

/** Seconds as `m:ss` or `h:mm:ss`. */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  const minutes = h > 0 ? `${h}:${String(m).padStart(2, '0')}` : String(m)
  return `${minutes}:${String(s).padStart(2, '0')}`
}

/** A stream that may be a terminal. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }

/** Prints a line, also where nobody reads any more. */
export const print = (to: Output, text: string): void => new Console(to).log(text)

const WIDTH = 24
const DEFAULT_COLUMNS = 80
const REDRAW_MS = 100
const PLAIN_EVERY_MS = 5000

export interface Progress {
  /** Shows the progress, if it is time to; `fraction` is 0 to 1. */
  show(fraction: number, lines: number, note: string): void
  /** Writes a line above the bar. */
  print(line: string): void
  /** Removes the bar. */
  end(): void
}

/**
 * A bar with rate and time left on a terminal (only figures on a narrow one), a plain line every few seconds elsewhere.
 * `since`: when it began, and how much had been done by then.
 */
export function createProgress(
  stream: Output,
  since: { fraction: number; lines: number },
  now: () => number = Date.now,
): Progress {
  const isTerminal = stream.isTTY === true
  const began = now()
  let shownAt = began
  let isDrawn = false
  const clear = (): void => {
    if (isDrawn) stream.write('\r\u001b[K')
    isDrawn = false
  }
  return {
    show(fraction, lines, note) {
      const at = now()
      if (at - shownAt < (isTerminal ? REDRAW_MS : PLAIN_EVERY_MS)) return
      shownAt = at
      const seconds = (at - began) / 1000
      const rate = Math.round((lines - since.lines) / seconds)
      const left = ((1 - fraction) * seconds) / Math.max(fraction - since.fraction, Number.EPSILON)
      const percent = `${Math.floor(fraction * 100)}%`
      const text = `${percent.padStart(4)}  ${lines} lines  ${rate}/s  ${clockTime(left)} left${note}`
      clear()
      if (!isTerminal) return void stream.write(`${text.trimStart()}\n`)
      const full = Math.round(fraction * WIDTH)
      const bar = `[${'#'.repeat(full)}${'-'.repeat(WIDTH - full)}] `
      // A terminal of unknown width reports 0.
      const room = (stream.columns || DEFAULT_COLUMNS) - 1
      stream.write(bar.length + text.length <= room ? bar + text : text.slice(0, room))
      isDrawn = true
    },
    print(line) {
      clear()
      stream.write(`${line}\n`)
    },
    end: clear,
  }
}
