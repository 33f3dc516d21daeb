import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { startApp, type TestApp } from './support/app.ts'
import { launchBrowser, picture, skipBrowser, watchedContext, type WatchedContext } from './support/browser.ts'

vi.setConfig({ testTimeout: 60_000 })

/** The page is 9 MB of script. */
const PATIENCE = { timeout: 20_000, interval: 100 }

let browser: Browser
let app: TestApp
let watched: WatchedContext

/** Opens the page and chooses the tab of an example. */
async function openExample(name: string): Promise<Page> {
  const page = await watched.open(app.graphqlUrl)
  const tab = page.getByRole('tab', { name })
  await tab.waitFor()
  // The tabs swallow the first click after loading.
  const choose = async (): Promise<string | null> => {
    await tab.getByRole('button').first().click()
    return await tab.getAttribute('aria-selected')
  }
  await expect.poll(choose, PATIENCE).toBe('true')
  return page
}

const run = (page: Page): Promise<void> => page.getByRole('button', { name: /^Execute query/ }).click()

/** What is seen of the answer; the editor shows white space as unbreakable. */
async function result(page: Page): Promise<string> {
  const lines = page.getByRole('region', { name: 'Result Window' }).locator('.view-lines')
  return (await lines.innerText()).replaceAll('\u00a0', ' ')
}

describe.skipIf(skipBrowser)('GraphiQL in a browser', () => {
  beforeAll(async () => {
    browser = await launchBrowser()
    app = await startApp({ DEMO: '1' })
  }, 60_000)
  beforeEach(async () => {
    watched = await watchedContext(browser, app.http)
  })
  // Here it fails where a page asked another server for something, broke its policy or had an error.
  afterEach(() => watched.close())
  afterAll(async () => {
    await app?.stop()
    await browser?.close()
  })

  test('is authorised, runs the first example and shows the schema’s documentation', async () => {
    const page = await openExample('WhoAmI')
    await run(page)
    await expect.poll(() => result(page), PATIENCE).toContain('"name": "Admin"')
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click()
    await page.getByRole('link', { name: 'Mutation' }).click()
    await page.getByText('Sends a message and returns it as stored.').waitFor()
    // With the token among them.
    await page.getByRole('button', { name: 'Hide editor tools' }).click()
    await picture(page, 'graphiql')
  })

  test('a subscription shows the event that a mutation in another window causes', async () => {
    const live = await openExample('Live')
    await run(live)
    // First what is kept, of which the welcome is the last.
    await expect.poll(() => result(live), PATIENCE).toContain('"notificationType": "welcome"')
    const sender = await openExample('Send')
    await run(sender)
    await expect.poll(() => result(sender), PATIENCE).toContain('"content": "Hello from GraphiQL"')
    await expect.poll(() => result(live), PATIENCE).toContain('"content": "Hello from GraphiQL"')
    expect(await result(live)).toContain('"__typename": "MessageSent"')
  })
})
