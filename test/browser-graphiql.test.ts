import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { startApp, type TestApp } from './support/app.ts'
import { launchBrowser, skipBrowser, watchedContext, type WatchedContext } from './support/browser.ts'

vi.setConfig({ testTimeout: 60_000 })

const PATIENCE = { timeout: 20_000, interval: 100 }

let app: TestApp
let browser: Browser
let watched: WatchedContext

async function openGraphiql(): Promise<Page> {
  const page = await watched.open(app.graphqlUrl)
  await page.getByRole('button', { name: /^Execute query/ }).waitFor()
  return page
}

const result = (page: Page): Promise<string> => page.getByRole('region', { name: /result/i }).innerText()

describe.skipIf(skipBrowser)('GraphiQL in a browser', () => {
  beforeAll(async () => {
    ;[app, browser] = await Promise.all([startApp({ DEMO: '1' }), launchBrowser()])
  }, 60_000)
  afterAll(async () => {
    await browser.close()
    await app.stop()
  })

  test('look', async () => {
    watched = await watchedContext(browser, app.http)
    const page = await openGraphiql()
    console.log(await page.locator('body').ariaSnapshot())
    await page.screenshot({ path: '/tmp/demo-shots/graphiql.png' })
    console.log(result.length)
    await watched.close()
  })
})
