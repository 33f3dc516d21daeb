import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TSC = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
const run = promisify(execFile)

describe('the packed package, in a project that has nothing else', () => {
  let project: string
  let packed: string
  let files: string[]
  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'parley-package-'))
    packed = join(project, 'node_modules/parley')
    await mkdir(packed, { recursive: true })
    const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', project]
    const [tarball] = JSON.parse((await run('npm', pack, { cwd: ROOT })).stdout) as [
      { filename: string; files: { path: string }[] },
    ]
    files = tarball.files.map(({ path }) => path)
    await run('tar', ['-xzf', join(project, tarball.filename), '-C', packed, '--strip-components=1'])
  })
  afterAll(() => rm(project, { recursive: true, force: true }))

  test('holds what the server and its exports need, and no sources or tests', () => {
    const needed = [
      'dist/main.js',
      'dist/cli/parley.js',
      'dist/push.js',
      'dist/push.d.ts',
      'dist/clients/legacy/client.js',
      'dist/clients/legacy/client.d.ts',
    ]
    expect(files).toEqual(expect.arrayContaining([...needed, 'schema.graphql', 'prisma/migrations/migration_lock.toml']))
    expect(files.filter((path) => /^(src|test|bench|examples)\//.test(path))).toEqual([])
  })

  test('its command parley runs', async () => {
    // As npm links it into node_modules/.bin of a project.
    const command = join(packed, 'dist/cli/parley.js')
    await chmod(command, 0o755)
    const { version } = JSON.parse(await readFile(join(packed, 'package.json'), 'utf8')) as { version: string }
    expect((await run(command, ['--version'], { cwd: project })).stdout).toBe(`${version}\n`)
  })

  test('parley/legacy-client is there', async () => {
    const script = `
      import { createLegacyClient } from 'parley/legacy-client'
      class Dead {
        readyState = 3
        send() {}
        close() {}
        addEventListener() {}
      }
      const client = createLegacyClient({ url: 'ws://127.0.0.1:1', token: 't', webSocket: Dead })
      await client.close()
      console.log(client.state)`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project })
    expect(stdout.trim()).toBe('closed')
  })

  test('parley/legacy-client is made of nothing but its own files, so that it runs in browsers', async () => {
    const modules = new Set<string>()
    async function follow(url: URL): Promise<void> {
      if (modules.has(url.href)) return
      modules.add(url.href)
      const source = await readFile(url, 'utf8')
      for (const [, name = ''] of source.matchAll(/\b(?:from|import\(?)\s*['"]([^'"]+)['"]/g)) {
        expect(name).toMatch(/^\.\.?\//)
        await follow(new URL(name, url))
      }
    }
    await follow(new URL(`file://${packed}/dist/clients/legacy/client.js`))
    expect([...modules].map((url) => url.slice(url.lastIndexOf('/') + 1))).toContain('pushes.js')
  })

  test('parley/legacy-client has the types of all frames, for Node and for bundlers, without types of Node', async () => {
    await writeFile(
      join(project, 'app.ts'),
      `import { createLegacyClient } from 'parley/legacy-client'
       const client = createLegacyClient({ url: 'wss://chat.example.com/ws/connect', token: () => null })
       const answer: Promise<{ success: true }> = client.request('message_sent', { receiver_id: 2, content: 'hi' })
       // @ts-expect-error: ids of messages are numbers
       void client.request('message_read', { message_id: '42' })
       // @ts-expect-error: there is no such request
       void client.request('message_unread', {})
       for await (const push of client) if (push.type === 'message_sent') push.data.sender_name satisfies string
       await answer
       export {}`,
    )
    for (const module of ['nodenext', 'preserve']) {
      const compilerOptions = { module, target: 'es2023', lib: ['es2023', 'dom'], types: [], strict: true, noEmit: true }
      await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }))
      await writeFile(join(project, 'package.json'), '{"type":"module"}')
      await run(process.execPath, [TSC, '--project', project]).catch((error: { stdout: string }) => expect.fail(error.stdout))
    }
  })
})

describe('parley/resume', () => {
  const FOLDER = join(ROOT, 'dist/clients/resume')
  const sources = async (): Promise<string[]> => {
    const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.js'))
    return await Promise.all(names.map((name) => readFile(join(FOLDER, name), 'utf8')))
  }

  test('is made of nothing but its own files, so that it runs in browsers', async () => {
    for (const source of await sources()) {
      for (const [, name] of source.matchAll(/\b(?:from|import\(?)\s*['"]([^'"]+)['"]/g)) expect(name).toMatch(/^\.\/[a-z]+\.js$/)
    }
  })

  test('takes no more than 4 KB gzipped without its comments, which is 3 KB minified', async () => {
    const code = (await sources())
      .join('')
      .replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '')
      .replace(/\n\s+/g, '\n')
    expect(gzipSync(code, { level: 9 }).length).toBeLessThan(4096)
  })
})

describe('the clients as packages of their own, in a project that has nothing else', () => {
  let project: string
  let installed: string
  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'parley-client-'))
    const { stdout } = await run(process.execPath, [join(ROOT, 'src/clients/pack.mjs'), project])
    await writeFile(join(project, 'package.json'), '{"type":"module"}')
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', ...stdout.trim().split('\n')], { cwd: project })
    installed = join(project, 'node_modules/parley-legacy-client')
  })
  afterAll(() => rm(project, { recursive: true, force: true }))

  test('brings no dependency and no more than 150 KB, and says how it is used', async () => {
    expect((await readdir(join(project, 'node_modules'))).filter((name) => !name.startsWith('.'))).toEqual([
      'parley-legacy-client',
      'parley-resume',
    ])
    const files = await readdir(installed, { recursive: true, withFileTypes: true })
    const sizes = files
      .filter((file) => file.isFile())
      .map(async (file) => (await readFile(join(file.parentPath, file.name))).length)
    expect((await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000)
    const readme = await readFile(join(installed, 'README.md'), 'utf8')
    expect(readme).toContain("import { createLegacyClient } from 'parley-legacy-client'")
    // What a page imports without a bundler.
    const [, path = ''] = /from '\/parley-legacy-client\/([^']+)'/.exec(readme) ?? []
    expect(await readFile(join(installed, path), 'utf8')).toContain('export function createLegacyClient')
  })

  test('the one that resumes brings its two functions and says how they are used', async () => {
    const script = `
      import { outbox, resumable } from 'parley-resume'
      const client = resumable({ subscribe: (_, sink) => (sink.next({ data: { a: 1 } }), sink.complete(), () => undefined) })
      console.log((await outbox(client).mutate({ query: 'mutation { a }' })).data.a)`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project })
    expect(stdout.trim()).toBe('1')
    const readme = await readFile(join(project, 'node_modules/parley-resume/README.md'), 'utf8')
    expect(readme).toContain("import { resumable } from 'parley-resume'")
  })

  test('runs as an ES module', async () => {
    const script = `
      import { createLegacyClient } from 'parley-legacy-client'
      class Dead { readyState = 3; send() {} close() {} addEventListener() {} }
      const client = createLegacyClient({ url: 'ws://127.0.0.1:1', token: 't', webSocket: Dead })
      await client.close()
      console.log(client.state)`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project })
    expect(stdout.trim()).toBe('closed')
  })

  test.each(['nodenext', 'preserve'])('its types compile under strict without @types/ws, module %s', async (module) => {
    await writeFile(
      join(project, 'app.ts'),
      `import { createLegacyClient, RequestRefusedError, type WebSocketLike } from 'parley-legacy-client'
       declare const Socket: new (url: string, protocols: string[]) => WebSocketLike
       const client = createLegacyClient({ url: 'wss://chat.example.com/ws/connect', token: () => null, webSocket: Socket })
       const answer: Promise<{ success: true }> = client.request('message_sent', { receiver_id: 2, content: 'hi' })
       // @ts-expect-error: ids of messages are numbers
       void client.request('message_read', { message_id: '42' })
       for await (const push of client) if (push.type === 'message_sent') push.data.sender_name satisfies string
       await answer.catch((error) => error instanceof RequestRefusedError && error.code satisfies number)
       export {}`,
    )
    const compilerOptions = { module, target: 'es2023', lib: ['es2023', 'dom'], types: [], strict: true, noEmit: true }
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }))
    await run(process.execPath, [TSC, '--project', project]).catch((error: { stdout: string }) => expect.fail(error.stdout))
  })
})
