import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, test, vi } from 'vitest'
import { startApp, tokenOf, type TestApp } from './support/app.ts'

const FOLDER = fileURLToPath(new URL('../examples/', import.meta.url))
const PYTHON_PACKAGES = `${FOLDER}.python`
const isCI = process.env['CI'] === 'true'

// Packages may have to be installed first.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const python = { ...process.env, PYTHONPATH: PYTHON_PACKAGES }
const hasWebsockets = (): boolean =>
  spawnSync('python3', ['-c', 'import websockets; websockets.InvalidStatus'], { env: python }).status === 0
/** Where pip or its registry is missing, that example is left out by name. */
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

/** A line that can be cut: what goes through it is broken off, and for a while nothing gets through. */
class Line {
  #sockets = new Set<Socket>()
  #isCut = false
  readonly #server: Server

  constructor(target: number) {
    this.#server = createServer((near) => {
      if (this.#isCut) return near.destroy()
      const far = connect(target, '127.0.0.1')
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one)
        one.on('error', () => undefined)
        one.on('close', () => {
          this.#sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
      return undefined
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#isCut = false
  }

  close(): void {
    this.cut()
    this.#server.close()
  }
}

let app: TestApp
const children = new Set<ChildProcess>()
beforeAll(async () => {
  if (!existsSync(`${FOLDER}node_modules/@urql/core`))
    execFileSync('npm', ['ci', '--prefix', FOLDER, '--no-audit', '--no-fund'], { stdio: 'ignore' })
  app = await startApp()
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await app.stop()
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

describe('the example', () => {
  test.concurrent.for(EXAMPLES.filter(([name]) => canPython || isCI || !name.endsWith('.py')))(
    '%s shows every message once and in order, also those that were sent while its line was cut',
    async ([name, scheme, path], { expect: expectHere }) => {
      const [ann, bob] = [await app.user('Ann'), await app.user('Bob')]
      const line = new Line(app.port)
      const url = `${scheme}://127.0.0.1:${await line.listen()}${path}`
      const command = name.endsWith('.py') ? 'python3' : process.execPath
      const child = spawn(command, [`${FOLDER}${name}`, url], {
        env: { ...python, TOKEN: tokenOf({ userId: bob.id, name: bob.name }) },
      })
      children.add(child)
      let [out, err] = ['', '']
      child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
      child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
      const lines = (): string[] => out.split('\n').slice(0, -1)
      const expected: string[] = []
      const sender = app.over(ann)
      async function send(count: number): Promise<void> {
        for (let n = 0; n < count; n++) {
          const content = `message ${expected.length}`
          expected.push(`Ann: ${content}`)
          await sender.data(
            'mutation ($id: ID!, $content: String!) { sendMessage(input: { receiverId: $id, content: $content }) { id } }',
            {
              id: String(bob.id),
              content,
            },
          )
        }
      }
      const shown = (): Promise<void> => vi.waitFor(() => expectHere(lines(), err).toEqual(expected), { timeout: 30_000 })

      await send(5)
      await shown()
      for (let round = 0; round < 2; round++) {
        line.cut()
        await send(5)
        await vi.waitFor(() => expectHere(err.split('coming back').length, err).toBeGreaterThan(round + 1), { timeout: 10_000 })
        line.mend()
        await send(5)
        await shown()
      }
      child.kill()
      line.close()
    },
  )

  test.skipIf(canPython || isCI)('legacy.py is left out: Python or its package websockets is missing', () => undefined)
})
