import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { launchBrowser, skipBrowser } from '../support/browser.ts'
import type { Data } from '../support/graphql-client.ts'
import { people } from '../support/people.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const ROOT = new URL('../../', import.meta.url)
const MODULES: Record<string, URL> = {
  '/modules/graphql-ws/': new URL('node_modules/graphql-ws/dist/', ROOT),
  '/modules/resume/': new URL('dist/clients/resume/', ROOT),
}

/** What the page runs: it shows what it is sent, and keeps cursor, state and outbox over a reload. */
const pageScript = (url: string, token: string): string => `
  import { createClient } from '/modules/graphql-ws/client.js'
  import { outbox, resumable } from '/modules/resume/resume.js'

  const store = { load: (key) => localStorage.getItem(key), save: (key, cursor) => localStorage.setItem(key, cursor) }
  const client = resumable(createClient({ url: '${url}', connectionParams: { authorization: 'Bearer ${token}' }, retryAttempts: 0 }), { store })
  window.shown = JSON.parse(localStorage.getItem('shown') ?? '[]')
  const query = 'subscription ($after: ID) { events(after: $after) { __typename id ... on MessageSent { message { content } } } }'
  client.subscribe({ query, variables: { after: '0' } }, {
    next({ data }) {
      if (data.events.__typename !== 'MessageSent') return
      window.shown.push(data.events.message.content)
      localStorage.setItem('shown', JSON.stringify(window.shown))
    },
    error: console.error,
    complete() {},
  })
  const box = outbox(client, { storage: localStorage })
  window.send = (receiverId, content) => void box.mutate({
    query: 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }',
    variables: { input: { receiverId, content } },
  })
  window.isReady = true`

describe.skipIf(skipBrowser)('a page in a browser', () => {
  let browser: Browser
  let app: TestApp
  let ann: TestUser
  let bob: TestUser
  let proxy: TcpProxy
  beforeAll(async () => {
    ;[browser, app] = await Promise.all([launchBrowser(), sharedApp()])
    ;({ ann, bob } = await people(app, 'ann', 'bob'))
    proxy = new TcpProxy(app.port)
  })
  afterAll(async () => {
    proxy.close()
    await browser.close()
    await app.stop()
  })

  const begin = async (page: Page, url: string): Promise<void> => {
    // Any page of the server that has no policy against scripts.
    await page.goto(`${app.http}/health`)
    await page.addScriptTag({ type: 'module', content: pageScript(url, tokenOf({ userId: ann.id })) })
    await page.waitForFunction('window.isReady')
  }
  const shownOn = (page: Page): Promise<string[]> => page.evaluate('window.shown') as Promise<string[]>
  const send = (page: Page, content: string): Promise<unknown> => page.evaluate(`send('${bob.id}', '${content}')`)

  test('that sends while it is offline, is reloaded and comes back, has sent and shows each message once, in order', async () => {
    const url = `ws://127.0.0.1:${await proxy.listen()}/graphql`
    const context = await browser.newContext()
    for (const [path, folder] of Object.entries(MODULES)) {
      await context.route(`**${path}**`, async (route) => {
        const name = new URL(route.request().url()).pathname.slice(path.length)
        await route.fulfill({ body: await readFile(new URL(name, folder)), contentType: 'text/javascript' })
      })
    }
    const page = await context.newPage()
    await begin(page, url)
    await send(page, 'one')
    await expect.poll(() => shownOn(page)).toEqual(['one'])
    proxy.cut()
    await send(page, 'two')
    await send(page, 'three')
    await begin(page, url)
    await send(page, 'four')
    expect(await shownOn(page)).toEqual(['one'])
    await begin(page, url)
    proxy.repair()
    const texts = ['one', 'two', 'three', 'four']
    await expect.poll(() => shownOn(page), { timeout: 60_000 }).toEqual(texts)
    await send(page, 'five')
    await expect.poll(() => shownOn(page)).toEqual([...texts, 'five'])
    const { conversations } = await app
      .over(bob)
      .data('{ conversations { edges { node { messages { edges { node { content } } } } } } }')
    const stored = conversations.edges[0].node.messages.edges.map(({ node }: Data) => node.content)
    expect(stored.toReversed()).toEqual([...texts, 'five'])
    await context.close()
  })
})
