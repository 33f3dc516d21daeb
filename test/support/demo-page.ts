import type { Locator, Page } from 'playwright-core'

export const PATIENCE = { timeout: 60_000, interval: 100 }

/** One pane as its user sees it. */
export interface Pane {
  root: Locator
  /** Opens the conversation of this title. */
  open(title: string): Promise<void>
  row(title: string): Locator
  input: Locator
  send(content: string): Promise<void>
  /** The message of exactly this content. */
  message(content: string): Locator
  cut: Locator
  strip: Locator
  frames: Locator
}

export interface Demo {
  page: Page
  left: Pane
  right: Pane
}

function paneOf(page: Page, side: 'left' | 'right'): Pane {
  const root = page.locator(`#${side}`)
  const input = root.locator('.composer textarea')
  const row = (title: string): Locator =>
    root.locator('.conversations button', { has: page.locator('.row-title', { hasText: new RegExp(`^${title}$`) }) })
  return {
    root,
    input,
    row,
    open: (title) => row(title).click(),
    async send(content) {
      await input.fill(content)
      await input.press('Enter')
    },
    message: (content) => root.locator('.message', { has: page.getByText(content, { exact: true }) }),
    cut: root.locator('.cut'),
    strip: root.locator('.strip'),
    frames: root.locator('.frames li'),
  }
}

/** The demo on a page that was opened, when both panes are connected. */
export async function demoOn(page: Page): Promise<Demo> {
  const demo = { page, left: paneOf(page, 'left'), right: paneOf(page, 'right') }
  for (const { root } of [demo.left, demo.right]) {
    await root.and(page.locator('[data-state=open]')).waitFor({ state: 'attached' })
    await root.locator('.conversations button').first().waitFor({ state: 'attached' })
  }
  return demo
}

/** Makes a pane another user's. */
export async function demoUser(page: Page, side: 'left' | 'right', name: string): Promise<void> {
  await page.locator(`#${side}`).getByLabel('User').selectOption(name)
}

export const texts = (locator: Locator): Promise<string[]> => locator.allTextContents()
export const sees = (locator: Locator): Promise<void> => locator.waitFor()
export const isGone = (locator: Locator): Promise<void> => locator.waitFor({ state: 'detached' })
/** What is there to be touched and has less than 44 pixels in a direction. */
export const TOO_SMALL = `[...document.querySelectorAll('a, button, select, summary, textarea')]
  .filter((element) => element.checkVisibility())
  .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 44 || height < 44)
  .map(([html, { width, height }]) => html + ' ' + width + 'x' + height)`
/** A page's own script; a text, for the tests' types know no browser. */
export const evaluate = (page: Page, script: string): Promise<unknown> => page.evaluate(script)
