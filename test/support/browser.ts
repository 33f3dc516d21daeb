import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { expect } from 'vitest'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome']

const isRoot = process.getuid?.() === 0

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The path of Chromium or Chrome, where there is one. */
function findBrowser(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

/** Locally the tests in a browser are skipped where there is none; in CI they fail. */
export const skipBrowser = process.env['CI'] === undefined && findBrowser() === undefined

/** Starts a browser that makes no requests of its own. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = findBrowser()
  if (executablePath === undefined) throw new Error('there is no Chromium or Chrome on the PATH')
  return await chromium.launch({
    executablePath,
    chromiumSandbox: !isRoot,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url))

/** Takes a picture for the README, where SCREENSHOTS=1 asks for it. */
export async function picture(page: Page, name: string): Promise<void> {
  if (process.env['SCREENSHOTS'] !== '1') return
  await page.screenshot({ path: join(IMAGES, `${name}.png`), animations: 'disabled', caret: 'hide' })
}

export interface WatchedContext {
  context: BrowserContext
  /** Opens a page, after which nothing may go wrong on it. */
  open(url: string): Promise<Page>
  /** Fails where a page had an error, broke its policy, or asked another server than `origin`, since the last check. */
  check(): void
  /** Closes all, and checks. */
  close(): Promise<void>
}

/** A browser profile of its own, in English and light by default; its requests and console errors are recorded. */
export async function watchedContext(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<WatchedContext> {
  const context = await browser.newContext({
    viewport: { width: 1360, height: 860 },
    locale: 'en-GB',
    colorScheme: 'light',
    ...options,
  })
  // For a busy machine: the pages are megabytes of script.
  context.setDefaultTimeout(60_000)
  const wrong: string[] = []
  const asked = (url: string): void => {
    const { protocol, host } = new URL(url)
    if (!['data:', 'blob:', 'about:'].includes(protocol) && host !== new URL(origin).host) wrong.push(`asked for ${url}`)
  }
  context.on('request', (request) => asked(request.url()))
  context.on('requestfailed', (request) => {
    const { errorText } = request.failure() ?? {}
    // Ended by the page itself.
    if (errorText !== 'net::ERR_ABORTED') wrong.push(`${request.url()}: ${errorText}`)
  })
  // What breaks a content security policy is an error in the console too.
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) wrong.push(`console: ${message.text()}`)
  })
  context.on('weberror', (error) => wrong.push(String(error.error().stack)))
  context.on('page', (page) => page.on('websocket', (socket) => asked(socket.url())))
  const check = (): void => expect(wrong.splice(0)).toEqual([])
  return {
    context,
    check,
    async open(url) {
      const page = await context.newPage()
      await page.goto(url)
      return page
    },
    async close() {
      await context.close()
      check()
    },
  }
}
