/** `npm run simulate -- --seeds 1..1000`: runs seeds and says which break a rule; `--seed 7` shows one, cut down to what it takes. */
import './world.ts'
import { parseArgs } from 'node:util'

// What graphql-js checks in development alone costs a tenth of a run.
process.env['NODE_ENV'] ??= 'production'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    whole: { type: 'boolean' },
    hashes: { type: 'boolean' },
    first: { type: 'boolean' },
  },
})
const { runSeeds, showSeed } = await import('./command.ts')
if (values.seed !== undefined) process.exitCode = await showSeed(Number(values.seed), { whole: values.whole ?? false })
else {
  const [from = 1, to = 100] = (values.seeds ?? '1..100').split('..').map(Number)
  process.exitCode = await runSeeds(from, to, { showsHashes: values.hashes ?? false, limit: values.first ? 1 : 5 })
}
