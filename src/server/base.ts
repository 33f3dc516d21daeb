import type { Logger } from 'pino'
import type { TimerWheel } from '../lib/timer-wheel.ts'
import type { Settings } from '../settings.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** Releases something before the deadline, in milliseconds since the epoch. */
export type Closer = (deadline: number) => unknown

/** Reports failures in the background. */
export type Failed = (stage: string) => (error: unknown, about?: object) => void

/** What everything else is created with. */
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
