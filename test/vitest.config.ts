import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { SHORT_LIVED } from './support/server-process.ts'

/** What takes longest, as far as is known without an earlier run: a long file that starts last is waited for by all. */
const LONG = [
  'end-to-end/browser-demo',
  'end-to-end/process',
  'clients/resume',
  'cli/import',
  'transport/slow-reader',
  'graphql/cursor.property',
  'end-to-end/behaviour',
  'cluster/processes',
  'graphql/cursor',
  'end-to-end/resume',
  'end-to-end/examples',
  'cluster/behaviour',
  'store/migrations',
  'transport/socket-fuzz',
  'transport/http',
  'graphql/authorisation-paths',
  'graphql/admin',
  'end-to-end/browser-graphiql',
  'simulation/simulation',
  'live/feed',
  'end-to-end/browser-demo-tools',
  'docs/examples',
  'auth/tokens',
]

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId }: TestSpecification): number => {
      const rank = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
      return rank < 0 ? LONG.length : rank
    }
    return (await super.sort(files)).toSorted((a, b) => rankOf(a) - rankOf(b))
  }
}

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  // Without it the sources get the package's ES modules and its users among the libraries its CommonJS: two realms.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // Optimised code of the embedded database, of which each file opens its own, costs more to compile than it saves.
    execArgv: [SHORT_LIVED],
    // Files share what they import: most of a run was spent on importing and on code that was not compiled yet.
    isolate: false,
    sequence: { sequencer: LongFirst },
    // One more than the cores of a small machine: tests wait for timers, processes and pages a third of their time.
    maxWorkers: 3,
    // A shared machine that stands still for seconds is no fault; what fails twice is one. Where a developer looks, once is enough.
    retry: process.env['CI'] ? 1 : 0,
    // How long a test takes is no rule of the product, and a busy machine has a tenth of a core for it.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // One second is soon over on a busy machine; what is broken fails anyway.
    expect: { poll: { timeout: 30_000 } },
  },
})
