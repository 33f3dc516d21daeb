import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test, vi } from 'vitest'
import { describeOwnEngines, describeServer, type TestStore } from '../support/database.ts'
import { Contract, type Answer } from './contract-script.ts'

const run = promisify(execFile)

/** What the model answers, in a process of its own. */
async function modelAnswers(...parameters: string[]): Promise<Answer[]> {
  const main = fileURLToPath(new URL('contract-main.ts', import.meta.url))
  const { stdout } = await run(process.execPath, ['--import', 'tsx', main, ...parameters])
  return JSON.parse(stdout) as Answer[]
}

async function answersOf({ store, query }: TestStore, concurrently: boolean): Promise<Answer[]> {
  const untilBlocked = (): Promise<void> =>
    vi.waitFor(async () => {
      const waiting = await query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
      expect(waiting.length).toBeGreaterThan(0)
    })
  const answers = await new Contract({ store, untilBlocked }).run({ concurrently })
  return JSON.parse(JSON.stringify(answers)) as Answer[]
}

describeOwnEngines((on) => {
  test('the model of the store answers as the database does, one call after the other', async () => {
    expect(await modelAnswers()).toEqual(await answersOf(on(), false))
  })
})

describeServer((on) => {
  test('the model of the store answers as the database does, transactions at once', async () => {
    expect(await modelAnswers('concurrently')).toEqual(await answersOf(on(), true))
  })
})
