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

test('no rule is broken in 200 seeds', async () => {
  expect(await simulate('--seeds', '1..200')).toMatch(/^200 seeds, 0 failed/)
}, 300_000)

test('a seed is repeated exactly, whatever was run before it', async () => {
  const alone = await simulate('--seeds', '7..7', '--hashes')
  const among = await simulate('--seeds', '4..7', '--hashes')
  expect(alone).toMatch(/^seed 7: [0-9a-f]{16}\n/)
  expect(among).toContain(alone.split('\n')[0])
})
