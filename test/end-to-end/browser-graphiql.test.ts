import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { EXAMPLES } from '../../src/graphql/graphiql/graphiql.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { launchBrowser, picture, skipBrowser, watchedContext, type WatchedContext } from '../support/browser.ts'

/** The page is 9 MB of script. */
const PATIENCE = { timeout: 60_000, interval: 100 }

let browser: Browser
let app: TestApp
let watched: WatchedContext
/** The page of all tests, which start with what the one before left. */
let first: Page

/** Chooses the tab of an example. */
async function openTab(page: Page, name: string): Promise<void> {
  const tab = page.getByRole('tab', { name })
  await tab.waitFor()
  await choose(tab)
  // What is run is what the editor holds.
  const editor = page.getByRole('region', { name: 'Operation Editor' }).locator('.view-lines').first()
  await expect.poll(async () => (await editor.innerText()).replaceAll('\u00a0', ' '), PATIENCE).toContain(` ${name}`)
}

/** One click has to do; where it is ignored, nothing opens later either. */
async function choose(tab: Locator): Promise<void> {
  await tab.getByRole('button').first().click()
  expect(await tab.getAttribute('aria-selected'), (await tab.textContent()) ?? '').toBe('true')
}

/** An admin's day on the demo's data, in the order of docs/admin.md, whose pictures are taken here: each tab and what its answer says. */
const DAY: readonly (readonly [name: string, ...answer: string[]])[] = [
  ['FindUser', '"name": "Rob Bot"', '"bannedUntil": "9999-12-31T23:59:59.999Z"'],
  ['ConversationsOf', '"id": "direct_4_6"', '"content": "Watches, half price, today only!"'],
  ['WhereOnline', '"protocol": "legacy"', '"address": "127.0.0.1"'],
  ['StopUser', '"name": "Rob Bot"', '"bannedUntil": "9999-12-31T23:59:59.999Z"'],
  ['TakeAway', '"deleteMessagesOf": 1'],
  ['Reports', '"reason": "I do not know this user"', '"content": "Watches, half price, today only!"', '"status": "OPEN"'],
  ['AnswerReport', '"status": "ACTED"', '"note": "banned, message deleted"'],
  ['Notify', '"pushSystemNotification": true'],
  ['HowIsTheCluster', '"nodes": [', '"connections": 1'],
  ['AuditLog', '"action": "pushSystemNotification"', '"notificationType": "maintenance"'],
]

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
    watched = await watchedContext(browser, app.http)
    first = await watched.open(app.graphqlUrl)
  })
  // Here it fails where a page asked another server for something, broke its policy or had an error.
  afterEach(() => watched.check())
  afterAll(async () => {
    await watched?.close()
    await app?.stop()
    await browser?.close()
  })

  test('in a fresh profile the first click on the tab of every example opens it, with its variables below', async () => {
    const page = first
    const tabs = page.getByRole('tab')
    await tabs.nth(EXAMPLES.length - 1).waitFor()
    const variables = page.getByRole('region', { name: 'Variables' }).locator('.view-lines').first()
    for (let index = EXAMPLES.length - 1; index >= 0; index--) {
      await choose(tabs.nth(index))
      const names = Object.keys(EXAMPLES[index]?.variables ?? {})
      for (const name of names) await expect.poll(() => variables.innerText(), PATIENCE).toContain(name)
    }
    expect(await page.getByRole('region', { name: 'Headers' }).count()).toBe(0)
    // A click that trembles is a click, too.
    const box = await tabs.nth(3).boundingBox()
    if (!box) throw new Error('the tab is not there')
    await page.mouse.move(box.x + 20, box.y + 10)
    await page.mouse.down()
    await page.mouse.move(box.x + 28, box.y + 12, { steps: 4 })
    await page.mouse.up()
    expect(await tabs.nth(3).getAttribute('aria-selected')).toBe('true')
    expect(await tabs.allInnerTexts()).toEqual(
      EXAMPLES.map(({ query }) => /\w+ (\w+)/.exec(query.replaceAll(/^#.*$/gm, ''))?.[1]),
    )
  })

  test('is authorised, runs the first example, shows the schema’s documentation and fits a phone', async () => {
    const page = first
    await openTab(page, 'WhoAmI')
    await run(page)
    await expect.poll(() => result(page), PATIENCE).toContain('"name": "Admin"')
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click()
    await page.getByRole('link', { name: 'Mutation' }).click()
    await page.getByText('Sends a message and returns it as stored.').waitFor()
    await page.getByRole('button', { name: 'Hide editor tools' }).click()
    await picture(page, 'graphiql')

    expect(await page.title()).toBe('Parley GraphiQL')
    const logo = page.locator('.graphiql-logo')
    expect((await logo.innerText()).trim()).toBe('Parley')
    await logo.getByRole('img', { name: 'Parley' }).waitFor()
    // On a phone the answer is below the operation, each as wide as the screen.
    expect(await page.locator('meta[name=viewport]').getAttribute('content')).toBe('width=device-width, initial-scale=1')
    await page.getByRole('button', { name: 'Hide Documentation Explorer' }).click()
    await page.setViewportSize({ width: 390, height: 844 })
    const [editor, answer] = await Promise.all(
      ['Operation Editor', 'Result Window'].map((name) => page.getByRole('region', { name }).boundingBox()),
    )
    if (!editor || !answer) throw new Error('the editor or the answer is not there')
    expect(editor.width).toBeGreaterThan(280)
    expect(answer.y).toBeGreaterThan(editor.y + editor.height)
    expect(answer.x + answer.width).toBeLessThanOrEqual(390)
  })

  test('every tab of an admin’s day answers on its first click what docs/admin.md shows', async () => {
    // The pictures show the page as it is in a fresh profile.
    const own = await watchedContext(browser, app.http)
    const page = await own.open(app.graphqlUrl)
    await page.setViewportSize({ width: 1260, height: 640 })
    await app.ready({ id: 100, name: 'Admin', isAdmin: true })
    for (const [name, ...answer] of DAY) {
      await openTab(page, name)
      await run(page)
      // The editor breaks lines where there is a blank.
      for (const text of answer)
        await expect.poll(async () => (await result(page)).replaceAll(/\s+/g, ' '), PATIENCE).toContain(text)
      await picture(page, `admin-${name}`)
    }
    await own.close()
  })

  test('a subscription shows the event that a mutation in another window causes', async () => {
    await first.setViewportSize({ width: 1360, height: 860 })
    const live = first
    await openTab(live, 'Live')
    await run(live)
    // First the events of the log, of which the welcome is the last.
    await expect.poll(() => result(live), PATIENCE).toContain('"notificationType": "welcome"')
    const sender = await watched.open(app.graphqlUrl)
    await openTab(sender, 'Send')
    await run(sender)
    await expect.poll(() => result(sender), PATIENCE).toContain('"content": "Hello from GraphiQL"')
    await expect.poll(() => result(live), PATIENCE).toContain('"content": "Hello from GraphiQL"')
    expect(await result(live)).toContain('"__typename": "MessageSent"')
    // Earlier results stay in view, below it.
    expect(await result(live)).toMatch(/Hello from GraphiQL[^]*"notificationType": "welcome"/)
  })
})
