import { test } from 'vitest'
import { describeOwnEngines } from '../support/database.ts'
import { createHistoryNode, runHistory } from '../support/histories.ts'
import { createRandom } from '../support/live.ts'

/**
 * Each run of the tests takes histories from a seed of its own. A long run: HISTORIES=100000 SEED=7 npx vitest run --config test/vitest.config.ts test/graphql/cursor.property.test.ts
 * A seed repeats what is done; in which order it comes to the database is up to that, and to the histories beside it.
 */
const HISTORIES = process.env['HISTORIES']
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
/** They share statements, and wait for each other's connections. */
const AT_ONCE = 8
/** What a wrong cursor, or a read outside of the snapshot, breaks is seen in small ones too, each at half the cost. */
const SMALL = { steps: 3, watches: 1 }
const LARGE = { steps: 8, watches: 3 }

describeOwnEngines((on) => {
  test(
    `state by query at a random moment + events after its cursor = state by a fresh query (seed ${SEED})`,
    async () => {
      const { store, url, another } = on()
      const holder = url === undefined ? undefined : (await another()).store
      const node = await createHistoryNode(store)
      const since = performance.now()
      // A thousand. The embedded database is slower, and has one transaction at a time.
      const histories = Number(HISTORIES ?? (holder ? 980 : 20))
      let started = 0
      let failure: Error | undefined
      const runSome = async (): Promise<void> => {
        while (started < histories && !failure) {
          const number = started++
          const seed = SEED + number
          const size = seed % 20 === 0 ? LARGE : SMALL
          await runHistory({ node, holder, random: createRandom(seed), size }).catch((error: unknown) => {
            failure ??= new Error(`history ${number}, SEED=${seed} HISTORIES=1: ${String(error)}`, { cause: error })
          })
          if ((number + 1) % 1000 === 0) {
            console.log(`${number + 1} histories from seed ${SEED} in ${Math.round((performance.now() - since) / 1000)} s`)
          }
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, runSome))
      if (failure) throw failure
      await node.close()
    },
    600_000 + Number(HISTORIES ?? 0) * 2000,
  )
})
