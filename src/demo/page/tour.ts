/** The tour that the guide plays: the panes write to each other, and one of them loses its connection meanwhile. */
import type { Pane } from './pane.ts'
import type { Text } from './text.ts'

const PATIENCE_MS = 30_000
/** Pause between steps, so that eyes can follow. */
const PAUSE_MS = 1200

export interface TourOptions {
  panes: readonly [left: Pane, right: Pane]
  /** In the language of the moment. */
  text: () => Text
  /** A step begins; from 0. */
  step: (index: number) => void
  /** Shows a pane if there is room for only one. */
  bring: (pane: Pane) => void
}

/** Rejects if the user changes the panes meanwhile, or the server is down. */
export async function playTour({ panes, text, step, bring }: TourOptions): Promise<void> {
  const [left, right] = panes
  /** Has one side write, and waits until the other has received it, unless its connection is cut. */
  const say = async (from: Pane, to: Pane, content: string, arrives = true): Promise<void> => {
    bring(from)
    const seen = (arrives ? to : from).count(content)
    await from.write(content)
    await until(() => (arrives ? to : from).count(content) > seen)
    await pause()
  }

  step(0)
  if (left.userId() === right.userId()) right.become(left.otherUserId())
  await until(() => left.isConnected() && right.isConnected())
  await Promise.all([left.openPeer(right.userId()), right.openPeer(left.userId())])
  await say(left, right, text().tour.hello(left.protocol()))
  await say(right, left, text().tour.answer(right.protocol()))
  step(1)
  bring(left)
  left.setCut(true)
  await pause()
  const [first, second] = text().tour.missed
  const missed = left.count(second)
  await say(right, left, first, false)
  await say(right, left, second, false)
  step(2)
  bring(left)
  await pause()
  left.setCut(false)
  await until(() => left.count(second) > missed)
  await pause()
}

const pause = (ms = PAUSE_MS): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (!holds()) {
    if (Date.now() > end) throw new Error('it did not happen')
    await pause(50)
  }
}
