import type { Browser, Locator } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startApp, tokenOf, type TestApp } from '../support/app.ts'
import { launchBrowser, skipBrowser, watchedContext, type WatchedContext } from '../support/browser.ts'
import { demoOn, demoUser, evaluate, isGone, PATIENCE, sees, texts, TOO_SMALL, type Pane } from '../support/demo-page.ts'
import { connectHttp } from '../support/graphql-client.ts'

let browser: Browser
let app: TestApp
let watched: WatchedContext

/** By a finger on a phone, and by keyboard. */
const WAYS = {
  'on a phone': {
    context: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
    act: (what: Locator) => what.tap(),
  },
  'by keyboard': { context: {}, act: (what: Locator) => what.press('Enter') },
} as const

const SEND = 'mutation ($content: String!) { sendMessage(input: { receiverId: 1, content: $content }) { id } }'

describe.skipIf(skipBrowser)('what is new, found, answered, edited, deleted and blocked on the demo’s page', () => {
  beforeAll(async () => {
    browser = await launchBrowser()
    app = await startApp({ DEMO: '1' })
  })
  // A page that stays open reads what the next one looks for.
  afterEach(() => watched.close())
  afterAll(async () => {
    await app?.stop()
    await browser?.close()
  })

  test.each(Object.entries(WAYS))('%s, on both sides alike', async (way, { context, act }) => {
    watched = await watchedContext(browser, app.http, context)
    const page = await watched.open(`${app.http}/`)
    const isPhone = way === 'on a phone'
    const { left, right } = await demoOn(page)
    /** Brings a pane to the front, where there is room for one. */
    const turnTo = async ({ root }: Pane): Promise<void> => {
      if (!isPhone) return
      await page
        .locator('.tabs button')
        .nth((await root.getAttribute('id')) === 'left' ? 0 : 1)
        .tap()
      expect(await evaluate(page, TOO_SMALL)).toEqual([])
      expect(await evaluate(page, 'document.documentElement.scrollWidth')).toBe(360)
    }
    // One user on two devices: the old protocol on the left, GraphQL on the right.
    await turnTo(right)
    await demoUser(page, 'right', 'Alice Martin')
    const rows = [left, right].map((pane) => pane.row('Ben Okafor'))
    const unread = (): Promise<string[][]> => Promise.all(rows.map((row) => texts(row.locator('.unread'))))
    for (const pane of [left, right]) {
      if (isPhone) break
      await act(pane.row('Spring trip'))
      await sees(pane.root.locator('.thread h3', { hasText: 'Spring trip' }))
    }
    const ben = connectHttp(app.graphqlUrl, tokenOf({ userId: 2, name: 'Ben Okafor' }))
    const words = ['first', 'second', 'third'].map((word) => `The ${word} ${way}`)
    for (const content of words) await ben.data(SEND, { content })
    await expect.poll(unread, PATIENCE).toEqual([['3'], ['3']])

    /** The first message behind the line of what is new. */
    const newFrom = ({ root }: Pane): Promise<string[]> => texts(root.locator('.new-messages + .message p'))
    await turnTo(left)
    await act(left.row('Ben Okafor'))
    await expect.poll(() => newFrom(left), PATIENCE).toEqual([words[0]])
    await expect.poll(unread, PATIENCE).toEqual([[], []])
    await act(left.message(words[1] as string).locator('.add'))
    await act(left.message(words[1] as string).locator('[data-key=unread]'))
    await expect.poll(unread, PATIENCE).toEqual([['2'], ['2']])
    await expect.poll(() => newFrom(left), PATIENCE).toEqual([words[1]])
    await turnTo(right)
    await act(right.row('Ben Okafor'))
    await expect.poll(() => newFrom(right), PATIENCE).toEqual([words[1]])
    await expect.poll(unread, PATIENCE).toEqual([[], []])

    for (const pane of [right, left]) {
      await turnTo(pane)
      await act(pane.root.getByRole('button', { name: 'Search this conversation' }))
      await page.keyboard.type(`thi ${way.split(' ').at(-1)}`)
      const found = pane.root.locator('.results button')
      await expect.poll(() => texts(found), PATIENCE).toEqual([`Ben Okafor: ${words[2]}`])
      if (!isPhone) await page.keyboard.press('ArrowDown')
      await act(found)
      await expect.poll(() => evaluate(page, 'document.activeElement.querySelector("p")?.textContent'), PATIENCE).toBe(words[2])
      await pane.root.getByRole('searchbox').press('Escape')
      await found.waitFor({ state: 'detached' })
    }

    const choose = async (content: string, key: string): Promise<void> => {
      await act(left.message(content).locator('.add'))
      await act(left.message(content).locator(`.picker [data-key=${key}]`))
    }
    const say = async (content: string): Promise<void> => {
      await left.input.fill(content)
      await act(isPhone ? left.root.getByRole('button', { name: 'Send' }) : left.input)
    }
    /** On each side, also where it is behind the other. */
    const both = (content: string, part: string): Promise<string[][]> =>
      Promise.all([left, right].map((pane) => texts(pane.message(content).locator(part))))
    const quote = `Ben Okafor: ${words[2]}`
    await choose(words[2] as string, 'answer')
    await say(`An anser ${way}`)
    await expect.poll(() => both(`An anser ${way}`, '.quote'), PATIENCE).toEqual([[quote], [quote]])
    await choose(`An anser ${way}`, 'edit')
    await say(`An answer ${way}`)
    await expect.poll(() => both(`An answer ${way}`, '.edited'), PATIENCE).toEqual([['edited'], ['edited']])
    expect(await both(`An answer ${way}`, '.quote')).toEqual([[quote], [quote]])
    await choose(`An answer ${way}`, 'delete')
    await expect.poll(() => both(`An answer ${way}`, 'p'), PATIENCE).toEqual([[], []])

    const note = 'You have blocked Ben Okafor'
    await act(left.root.getByRole('button', { name: 'Block Ben Okafor', exact: true }))
    for (const pane of [left, right]) {
      await expect.poll(() => pane.root.locator('.blocked-note').textContent(), PATIENCE).toContain(note)
      expect(await pane.input.isVisible()).toBe(false)
    }
    expect((await ben.run(SEND, { content: 'refused' })).errors?.[0]?.extensions?.code).toBe('FORBIDDEN')
    await turnTo(right)
    await act(right.root.getByRole('button', { name: 'Unblock Ben Okafor' }))
    await sees(right.input)
    await ben.data(SEND, { content: `Taken again ${way}` })
    await sees(right.message(`Taken again ${way}`))
    // The old protocol does not tell of blocks: they are looked up where a conversation is opened.
    await turnTo(left)
    if (isPhone) await act(left.root.getByRole('button', { name: 'Back to the conversations' }))
    await act(left.row('Ben Okafor'))
    await isGone(left.root.locator('.blocked-note:not([hidden])'))
    await sees(left.input)
  })
})
