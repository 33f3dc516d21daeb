import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { openDatabase } from '../../src/store/database/client.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { installBrowser } from './browser.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of an embedded database with our schema and nothing in it, to be copied. */
    databaseTemplate: string
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Compiles what `npm start` runs, as of now, for the tests that start processes and those of the demo's page; and makes one embedded database for the whole
 * run: to copy it is ten times faster than to make another. Installs the browser that some tests use, where it can.
 */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  installBrowser()
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  for (const project of ['.', 'src/demo/page']) {
    execFileSync(process.execPath, [compiler, '--project', project, '--noCheck', '--incremental', 'false'], { cwd: ROOT })
  }
  const folder = await mkdtemp(join(tmpdir(), 'parley-template-'))
  const database = await openDatabase({
    databaseUrl: undefined,
    dataDir: folder,
    poolSize: 1,
    acquireTimeoutMs: 10_000,
    statementTimeoutMs: 60_000,
  })
  await migrate(database)
  await database.close()
  provide('databaseTemplate', folder)
  return () => rm(folder, { recursive: true, force: true })
}
