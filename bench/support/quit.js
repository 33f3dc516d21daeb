import { endEverything, killEverything } from './processes.js'

let isQuitting = false

/** Ends early, leaving nothing behind; asked a second time, it does not wait. */
function quit(code) {
  if (isQuitting) process.exit(code)
  isQuitting = true
  void endEverything().finally(() => process.exit(code))
}

/** From now on whatever ends the bench ends first what it has started. */
export function quitInOrder() {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => quit(130))
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (error) => {
      // Whatever is under way fails when its processes are ended.
      if (isQuitting) return
      console.error(error)
      quit(1)
    })
  }
  process.on('exit', killEverything)
}

/** Never resolves once the bench is being ended: what fails then has nothing to tell. */
export async function unlessQuitting() {
  if (isQuitting) await new Promise(() => undefined)
}
