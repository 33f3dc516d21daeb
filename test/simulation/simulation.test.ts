import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const main = fileURLToPath(new URL('main.ts', import.meta.url))

/** In a process of its own, whose timers and clocks are replaced. */
const simulate = async (...parameters: string[]): Promise<string> => {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', main, ...parameters])
  return stdout
}

test('no rule is broken in 200 seeds, and one alone is repeated exactly, whatever was run before it', async () => {
  const [among, alone] = await Promise.all([simulate('--seeds', '1..200', '--hashes'), simulate('--seeds', '7..7', '--hashes')])
  expect(among).toMatch(/^200 seeds, 0 failed/m)
  expect(alone).toMatch(/^seed 7: [0-9a-f]{16}\n/)
  expect(among).toContain(`\n${alone.split('\n')[0]}\n`)
}, 300_000)
