import { test } from 'vitest'
import { describeEngines } from '../support/database.ts'
import { createHistoryNode, runHistory } from '../support/histories.ts'
import { createRandom } from '../support/live.ts'

/**
 * Each run of the tests takes a few histories from a seed of its own. A long run: HISTORIES=100000 SEED=7 npx vitest run --config test/vitest.config.ts test/graphql/cursor.property.test.ts
 * A seed repeats what is done; in which order it comes to the database is up to that too.
 */
const HISTORIES = process.env['HISTORIES']
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

describeEngines((on) => {
  test(
    `state by query at a random moment + events after its cursor = state by a fresh query (seed ${SEED})`,
    async () => {
      const { store, url, another } = on()
      const holder = url === undefined ? undefined : (await another()).store
      const node = await createHistoryNode(store)
      const since = performance.now()
      // The embedded database is slower, and has one transaction at a time.
      const histories = Number(HISTORIES ?? (holder ? 20 : 6))
      for (let number = 0; number < histories; number++) {
        const seed = SEED + number
        await runHistory({ node, holder, random: createRandom(seed) }).catch((error: unknown) => {
          throw new Error(`history ${number}, SEED=${seed} HISTORIES=1: ${String(error)}`, { cause: error })
        })
        if ((number + 1) % 1000 === 0) {
          console.log(`${number + 1} histories from seed ${SEED} in ${Math.round((performance.now() - since) / 1000)} s`)
        }
      }
      await node.close()
    },
    240_000 + Number(HISTORIES ?? 0) * 2000,
  )
})
