import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyDatabase } from '../support/database.ts'
import { fencesOf, pathOf, read } from '../support/pages.ts'
import { endProcesses, start, type RunningServer } from '../support/server-process.ts'

const ROOT = pathOf('.')
const PAGES = ['README.md', 'docs/getting-started.md', 'docs/protocol.md', 'docs/clients.md']
const codeOf = (page: string, language: string): string[] =>
  fencesOf(read(page)).flatMap((fence) => (fence.language === language && fence.notRun === undefined ? [fence.code] : []))

/** Streams of events have no end: they are listened to for a while. */
const CURL = 'curl() { command curl --fail-with-body --max-time 3 "$@" || [ $? = 28 ]; }'

let server: RunningServer
let env: NodeJS.ProcessEnv
let folder: string

beforeAll(async () => {
  // It takes ten seconds of CPU to make another one.
  folder = await copyDatabase()
  server = await start({ DATA_DIR: folder })
  const { PATH } = process.env
  env = { PATH, DATA_DIR: folder }
})
afterAll(async () => {
  endProcesses()
  await server.ended
  await rm(folder, { recursive: true, force: true })
})

const here = (code: string): string => code.replaceAll('127.0.0.1:4000', `127.0.0.1:${server.port}`)

async function shell(code: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-c', `set -eo pipefail\n${CURL}\n${here(code)}`], { cwd: ROOT, env })
  return stdout
}

describe.each(PAGES)('the shell commands of %s', (page) => {
  test('do what they say against a demo server', async () => {
    const commands = codeOf(page, 'sh')
    if (commands.length === 0) return
    // It would install under the feet of the other tests.
    expect(commands.join('\n')).not.toContain('npm ci')
    const out = await shell(commands.join('\n'))
    expect(out).not.toContain('"errors"')
    // One answer for each request.
    const requests = commands.join('\n').match(/\bcurl -s/g) ?? []
    expect(out.match(/"data":/g)?.length ?? 0).toBeGreaterThanOrEqual(requests.length)
  })
})

const SCRIPTS = PAGES.flatMap((page) =>
  codeOf(page, 'js').flatMap((code, index) => (code.includes('127.0.0.1:4000') ? [[page, index + 1, code] as const] : [])),
)

describe('the JavaScript of the pages', () => {
  test.each(SCRIPTS)('of %s, script %i, shows an event', async (_, index, code) => {
    const TOKEN = (await shell('npm run --silent token -- --sub 1')).trim()
    // Next to the project's packages, as the page says.
    const file = join(ROOT, `node_modules/.docs-${index}-${process.pid}.mjs`)
    await writeFile(file, here(code))
    const child = spawn(process.execPath, [file], { env: { ...env, TOKEN }, stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      let out = ''
      child.stdout.setEncoding('utf8')
      for await (const text of child.stdout) {
        out += text as string
        if (/MessageSent|message_sent/.test(out)) break
      }
      expect(out).toMatch(/MessageSent|message_sent/)
    } finally {
      child.kill('SIGKILL')
      await once(child, 'close')
      await rm(file, { force: true })
    }
  })
})
