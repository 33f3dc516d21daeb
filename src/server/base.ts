import type { Logger } from 'pino'
import type { TimerWheel } from '../lib/timer-wheel.ts'
import type { Settings } from '../settings.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** Gives something back before the deadline, in milliseconds since the epoch. */
export type Closer = (deadline: number) => unknown

/** Reports what failed where nobody waits for an answer. */
export type Failed = (stage: string) => (error: unknown, about?: object) => void

/** What everything else is made with. */
export interface Base {
  settings: Settings
  log: Logger
  onStop: (closer: Closer) => void
  isStopping: () => boolean
  metrics: Metrics
  failed: Failed
  wheel: TimerWheel
  nodeId: string
}
