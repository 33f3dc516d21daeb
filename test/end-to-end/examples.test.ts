import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, test, vi } from 'vitest'
import { sharedApp, tokenOf, type TestApp } from '../support/app.ts'
import { say } from '../support/people.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const FOLDER = fileURLToPath(new URL('../../examples/', import.meta.url))
const PYTHON_PACKAGES = `${FOLDER}.python`
const isCI = process.env['CI'] === 'true'

const python = { ...process.env, PYTHONPATH: PYTHON_PACKAGES }
/** Distributions have versions before 14, which lack what the example uses. */
const hasWebsockets = (): boolean =>
  spawnSync('python3', ['-c', 'import websockets; assert int(websockets.__version__.split(".")[0]) >= 14'], { env: python })
    .status === 0
/** Where pip, npm or their registries are missing, the tests of those examples are skipped. */
function installPython(): boolean {
  if (hasWebsockets()) return true
  const args = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--target',
    PYTHON_PACKAGES,
    '-r',
    `${FOLDER}requirements.txt`,
  ]
  return spawnSync('python3', args, { timeout: 60_000 }).status === 0 && hasWebsockets()
}
const canPython = installPython()

/** Why the packages of the examples can't be installed; undefined where they are there. */
function problemWithPackages(): string | undefined {
  if (existsSync(`${FOLDER}node_modules/@urql/core`)) return undefined
  // Without a registry it fails at once.
  const args = ['ci', '--prefix', FOLDER, '--prefer-offline', '--fetch-retries=0', '--no-audit', '--no-fund']
  const { status, stderr, error } = spawnSync('npm', args, { timeout: 120_000, encoding: 'utf8' })
  return status === 0 ? undefined : `npm ci in examples/: ${error?.message ?? stderr}`
}
const problem = problemWithPackages()

/** A port without a listener. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

let app: TestApp
const children = new Set<ChildProcess>()
beforeAll(async () => {
  if (isCI && problem !== undefined) throw new Error(problem)
  app = await sharedApp()
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await app?.stop()
})

const EXAMPLES = [
  ['graphql-ws.mjs', 'ws', '/graphql'],
  ['apollo.mjs', 'ws', '/graphql'],
  ['urql.mjs', 'ws', '/graphql'],
  ['sse.mjs', 'http', '/graphql'],
  ['legacy-browser.mjs', 'ws', '/ws/connect'],
  ['legacy-node.mjs', 'ws', '/ws/connect'],
  ['legacy.py', 'ws', '/ws/connect'],
] as const

interface Example {
  out(): string
  err(): string
  kill(): void
  /** Resolves with its exit status, null where a signal ended it. */
  ended: Promise<number | null>
}

function start(name: string, url: string, token: string): Example {
  const command = name.endsWith('.py') ? 'python3' : process.execPath
  const child = spawn(command, [`${FOLDER}${name}`, url], { env: { ...python, TOKEN: token } })
  children.add(child)
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { out: () => out, err: () => err, kill: () => void child.kill(), ended }
}

describe.concurrent.each(EXAMPLES)('the example %s', (name, scheme, path) => {
  // In CI it may not be missing.
  const isMissing = !isCI && (name.endsWith('.py') ? !canPython : problem !== undefined)

  test.skipIf(isMissing)(
    'shows every message once and in order, also those that were sent while its line was cut',
    async ({ expect }) => {
      const [ann, bob] = [await app.user('Ann'), await app.user('Bob')]
      const line = new TcpProxy(app.port)
      const listening = line.listen()
      // Connections end as soon as they are there.
      line.cut()
      const example = start(name, `${scheme}://127.0.0.1:${await listening}${path}`, tokenOf({ userId: bob.id, name: bob.name }))
      const expected: string[] = []
      async function send(count: number): Promise<void> {
        for (let n = 0; n < count; n++) {
          const content = `message ${expected.length}`
          expected.push(`Ann: ${content}`)
          await say(app, ann, bob, content)
        }
      }
      const shown = (): Promise<void> =>
        vi.waitFor(() => expect(example.out().split('\n').slice(0, -1), example.err()).toEqual(expected), { timeout: 60_000 })

      const breaks = (): number => example.err().split('Coming back').length - 1
      const breaksAfter = (before: number): Promise<void> =>
        vi.waitFor(() => expect(breaks(), example.err()).toBeGreaterThan(before), { timeout: 60_000 })

      await breaksAfter(0)
      line.repair()
      await send(5)
      await shown()
      for (let round = 0; round < 2; round++) {
        const before = breaks()
        line.cut()
        await send(5)
        await breaksAfter(before)
        line.repair()
        await send(5)
        await shown()
      }
      example.kill()
      line.close()
    },
  )

  test.skipIf(isMissing)('ends with a word where its token expires', async ({ expect }) => {
    const [ann, bob] = [await app.user('Ann'), await app.user('Bob')]
    await say(app, ann, bob, 'before')
    const startFor = (ttlSeconds: number): Example =>
      start(name, `${scheme}://127.0.0.1:${app.port}${path}`, tokenOf({ userId: bob.id, name: bob.name, ttlSeconds }))
    let example = startFor(6)
    // On a busy machine it may come too late.
    if ((await example.ended) === 1 && example.out() === '') example = startFor(30)
    expect(await example.ended, example.err()).toBe(1)
    expect(example.out()).toBe('Ann: before\n')
    expect(example.err()).toMatch(/^refused: .+$/m)
    expect(example.err()).not.toMatch(/^ +at /m)
  })

  test.skipIf(isMissing)('ends with a word where its token is not good', async ({ expect }) => {
    const example = start(name, `${scheme}://127.0.0.1:${app.port}${path}`, 'a.b.c')
    expect(await example.ended, example.err()).toBe(1)
    expect(example.err()).toMatch(/^refused: .+\n$/)
  })

  test.skipIf(isMissing)('says which address it can’t reach, and why', async ({ expect }) => {
    const url = `${scheme}://127.0.0.1:${await closedPort()}${path}`
    const example = start(name, url, 'a.b.c')
    await vi.waitFor(() => expect(example.err()).toContain('Coming back'), { timeout: 60_000 })
    example.kill()
    const [line = ''] = example.err().split('\n')
    expect(line.startsWith(`no connection to ${url}: `), line).toBe(true)
    expect(line).toMatch(/: .*(ECONNREFUSED|Connect call failed).*\. Coming back\.$/)
  })
})
