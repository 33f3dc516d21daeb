import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startApp, tokenOf, type TestApp } from '../support/app.ts'
import { copyDatabase } from '../support/database.ts'
import {
  demoOn,
  demoUser,
  evaluate,
  isGone,
  PATIENCE,
  sees,
  texts,
  TOO_SMALL,
  type Demo,
  type Pane,
} from '../support/demo-page.ts'
import { launchBrowser, picture, skipBrowser, watchedContext, type WatchedContext } from '../support/browser.ts'
import { connectHttp } from '../support/graphql-client.ts'

let browser: Browser
let app: TestApp
const opened: WatchedContext[] = []

/** The page of most tests: a profile of its own for each would take twice as long. */
let shared: { watched: WatchedContext; page: Page } | undefined

/** The page as it is in a fresh profile. */
async function openDemo(): Promise<Demo> {
  if (shared) await shared.page.goto(`${app.http}/`)
  else {
    const watched = await watchedContext(browser, app.http)
    // Without an icon the browser asks for one.
    const blank = { body: '<link rel="icon" href="data:,">', contentType: 'text/html' }
    await watched.context.route('**/blank', (route) => route.fulfill(blank))
    shared = { watched, page: await watched.open(`${app.http}/`) }
  }
  return await demoOn(shared.page)
}

/** A page that stays open reads what the next one looks for; nor does anything stay of what it kept. */
async function leaveDemo(): Promise<void> {
  if (!shared) return
  await shared.page.goto(`${app.http}/blank`)
  await evaluate(shared.page, 'localStorage.clear()')
  shared.watched.check()
}

async function openDemoAs(options: BrowserContextOptions, { http } = app): Promise<Demo> {
  const watched = await watchedContext(browser, http, options)
  opened.push(watched)
  return await demoOn(await watched.open(`${http}/`))
}

/** Waits until everything the panes exchange when they are opened has arrived. */
async function isSettled({ left, right }: Demo): Promise<void> {
  for (const pane of [left, right]) {
    const content = `Hello ${crypto.randomUUID()}`
    await pane.send(content)
    await expect.poll(() => pane.message(content).locator('.receipt').textContent(), PATIENCE).toBe('✓✓')
  }
}

const PACK = fileURLToPath(new URL('../../src/clients/pack.mjs', import.meta.url))

/** Whether all of a part of a pane's messages can be seen. */
async function isInView({ root }: Pane, part: Locator): Promise<boolean> {
  const [inner, outer] = await Promise.all([part.boundingBox(), root.locator('.messages-scroller').boundingBox()])
  // Scrolling ends at whole pixels.
  return inner !== null && outer !== null && inner.y >= outer.y - 1 && inner.y + inner.height <= outer.y + outer.height + 1
}
describe.skipIf(skipBrowser)('the demo’s page in a browser', () => {
  beforeAll(async () => {
    browser = await launchBrowser()
    app = await startApp({ DEMO: '1' })
  })
  afterEach(async () => {
    for (const watched of opened.splice(0)) await watched.close()
    await leaveDemo()
  })
  afterAll(async () => {
    await shared?.watched.close()
    await app?.stop()
    await browser?.close()
  })

  test('a message goes from the legacy protocol to GraphQL and back, is counted unread, and read where it is seen', async () => {
    const { left, right } = await openDemo()
    await right.open('Spring trip')
    await left.send('Over the old protocol')
    const receipt = left.message('Over the old protocol').locator('.receipt')
    await expect.poll(() => receipt.getAttribute('aria-label'), PATIENCE).toBe('Sent, not read yet')
    await expect.poll(() => right.row('Alice Martin').locator('.unread').textContent(), PATIENCE).toBe('1')
    expect(await right.row('Alice Martin').locator('.row-preview').textContent()).toBe('Alice Martin: Over the old protocol')

    await right.open('Alice Martin')
    await sees(right.message('Over the old protocol'))
    await isGone(right.row('Alice Martin').locator('.unread'))
    await expect.poll(() => receipt.getAttribute('aria-label'), PATIENCE).toBe('Read by Ben Okafor')
    expect(await receipt.textContent()).toBe('✓✓')

    await right.send('And back over GraphQL')
    await sees(left.message('And back over GraphQL'))
    const back = right.message('And back over GraphQL').locator('.receipt')
    await expect.poll(() => back.getAttribute('aria-label'), PATIENCE).toBe('Read by Alice Martin')
    expect(await texts(right.message('And back over GraphQL'))).toHaveLength(1)
  })

  test('reactions are added and taken back from both sides', async () => {
    const { left, right } = await openDemo()
    await left.send('React to this')
    const [mine, theirs] = [left.message('React to this'), right.message('React to this')]
    await theirs.locator('.add').click()
    // It is the last message: what opens below it is brought into view.
    await expect.poll(() => isInView(right, theirs.locator('.picker')), PATIENCE).toBe(true)
    await theirs.locator('.picker button', { hasText: '👍' }).click()
    const [chip, other] = [mine.locator('.reactions .chip'), theirs.locator('.reactions .chip')]
    await expect.poll(() => texts(chip), PATIENCE).toEqual(['👍 1'])
    expect(await chip.getAttribute('aria-label')).toBe('👍 1 by Ben Okafor')
    expect(await chip.getAttribute('aria-pressed')).toBe('false')

    await chip.click()
    await expect.poll(() => texts(other), PATIENCE).toEqual(['👍 2'])
    await expect.poll(() => chip.getAttribute('aria-pressed'), PATIENCE).toBe('true')
    await chip.click()
    await expect.poll(() => texts(other), PATIENCE).toEqual(['👍 1'])
    await other.click()
    await isGone(chip)
    await isGone(other)
  })

  test('a message is answered, edited and deleted on either side, and both sides agree', async () => {
    const { left, right } = await openDemo()
    const act = async (pane: Pane, content: string, key: string): Promise<void> => {
      await pane.message(content).locator('.add').click()
      await pane.message(content).locator(`.picker [data-key="${key}"]`).click()
    }
    for (const [from, to, name, by] of [
      [left, right, 'Alice Martin', 'Ben Okafor'],
      [right, left, 'Ben Okafor', 'Alice Martin'],
    ] as const) {
      await from.send(`A queston of ${name}`)
      await sees(to.message(`A queston of ${name}`))
      await act(from, `A queston of ${name}`, 'edit')
      expect(await from.input.inputValue()).toBe(`A queston of ${name}`)
      await from.send(`A question of ${name}`)
      for (const pane of [from, to]) {
        await sees(pane.message(`A question of ${name}`).locator('.edited'))
        expect(await texts(pane.message(`A queston of ${name}`))).toEqual([])
      }

      await act(to, `A question of ${name}`, 'answer')
      await sees(to.root.locator('.about', { hasText: `Answering ${name}: A question of ${name}` }))
      await to.send(`An answer of ${by}`)
      await expect
        .poll(() => texts(from.message(`An answer of ${by}`).locator('.quote')), PATIENCE)
        .toEqual([`You: A question of ${name}`])
      expect(await texts(to.message(`An answer of ${by}`).locator('.quote'))).toEqual([`${name}: A question of ${name}`])

      await act(from, `A question of ${name}`, 'delete')
      for (const pane of [from, to]) {
        await isGone(pane.message(`A question of ${name}`))
        await expect
          .poll(() => texts(pane.message(`An answer of ${by}`).locator('.quote')), PATIENCE)
          .toEqual([expect.stringContaining('This message was deleted')])
      }
    }
    // Escape takes an edit back, and nothing else.
    await left.send('Stays as it is')
    await act(left, 'Stays as it is', 'edit')
    await left.input.press('Escape')
    expect(await left.input.inputValue()).toBe('')
    await sees(left.message('Stays as it is'))
  })

  test('who types is shown on the other side until the text is gone', async () => {
    const { left, right } = await openDemo()
    for (const [from, to, text] of [
      [left, right, 'Alice Martin is typing…'],
      [right, left, 'Ben Okafor is typing…'],
    ] as const) {
      const typing = to.root.locator('.typing')
      await from.input.fill('Hm')
      await expect.poll(() => typing.textContent(), PATIENCE).toBe(text)
      await from.input.fill('')
      await expect.poll(() => typing.textContent(), PATIENCE).toBe('')
    }
  })

  test('a user whose line is cut goes offline for the other, sees nobody online, and comes online again', async () => {
    const { left, right } = await openDemo()
    for (const [from, to] of [
      [left, right],
      [right, left],
    ] as const) {
      const presence = to.root.locator('.thread .subtitle')
      await expect.poll(() => presence.textContent(), PATIENCE).toBe('online')
      await from.cut.click()
      await expect.poll(() => from.root.locator('.status').textContent(), PATIENCE).toBe('Line cut')
      await expect.poll(() => presence.textContent(), PATIENCE).toBe('offline')
      // The pane without a connection receives no presence.
      const own = from.root.locator('.thread .subtitle')
      expect(await own.textContent()).toBe('unknown while you are not connected')
      expect(await from.root.locator('.dot.is-online').count()).toBe(0)
      await from.cut.click()
      await expect.poll(() => presence.textContent(), PATIENCE).toBe('online')
      await expect.poll(() => own.textContent(), PATIENCE).toBe('online')
    }
  })

  test('the group is one conversation over both protocols, whoever the panes are', async () => {
    const { left, right } = await openDemo()
    await right.root.getByLabel('User').selectOption('Dana Levy')
    await right.open('Spring trip')
    await left.open('Spring trip')
    await left.send('To all of you')
    await sees(right.message('To all of you'))
    expect(await right.message('To all of you').locator('.sender').textContent()).toBe('Alice Martin')
    await right.send('From Dana')
    await sees(left.message('From Dana'))
    await expect.poll(() => left.message('To all of you').locator('.receipt').textContent(), PATIENCE).toBe('✓✓ 1')

    await right.root.getByLabel('Protocol').selectOption('Legacy JSON')
    await right.open('Spring trip')
    await left.send('Both old now')
    await sees(right.message('Both old now'))
  })

  for (const side of ['left', 'right'] as const) {
    test(`${side}: what is missed while the line is cut comes once and in order by resume, and is marked`, async () => {
      const demo = await openDemo()
      const cut = demo[side]
      const other = side === 'left' ? demo.right : demo.left
      await isSettled(demo)
      await cut.cut.click()
      const contents = ['first', 'second', 'third'].map((word) => `The ${word} that ${side} misses`)
      for (const content of contents) {
        await other.send(content)
        await sees(other.message(content).locator('.receipt'))
      }
      await cut.send(`Written by ${side} without a line`)
      await sees(cut.message(`Written by ${side} without a line`).and(demo.page.locator('.is-pending')))
      for (const content of contents) expect(await cut.message(content).count()).toBe(0)

      await cut.cut.click()
      await expect.poll(() => cut.strip.textContent(), PATIENCE).toMatch(/^↻ 3 events resumed after \d+$/)
      expect(await cut.strip.isVisible()).toBe(true)
      await sees(other.message(`Written by ${side} without a line`))
      await isGone(cut.root.locator('.is-pending'))
      await expect.poll(() => texts(cut.root.locator('.message.is-resumed p:not(.quote)')), PATIENCE).toEqual(contents)
      expect(await texts(cut.root.locator('.message p:not(.quote)'))).toEqual(
        await texts(other.root.locator('.message p:not(.quote)')),
      )
      for (const content of contents) {
        const receipt = other.message(content).locator('.receipt')
        await expect.poll(() => receipt.textContent(), PATIENCE).toBe('✓✓')
      }
      // It is about this conversation, and about this moment.
      await cut.open('Spring trip')
      expect(await cut.strip.isVisible()).toBe(false)
      await cut.open(side === 'left' ? 'Ben Okafor' : 'Alice Martin')
      await expect.poll(() => cut.strip.isVisible(), PATIENCE).toBe(false)
    })
  }

  test('where nothing was missed, nothing is said of it', async () => {
    const demo = await openDemo()
    await isSettled(demo)
    for (const pane of [demo.left, demo.right]) {
      await pane.cut.click()
      await expect.poll(() => pane.root.locator('.status').textContent(), PATIENCE).toBe('Line cut')
      await pane.cut.click()
      await expect.poll(() => pane.root.locator('.thread .subtitle').textContent(), PATIENCE).toBe('online')
      expect(await pane.strip.isVisible()).toBe(false)
    }
  })

  test('a group says in either language how many others are online', async () => {
    const { page, left } = await openDemo()
    await left.open('Spring trip')
    const subtitle = left.root.locator('.thread .subtitle')
    await expect.poll(() => subtitle.textContent(), PATIENCE).toBe('5 members, 1 other online')
    await page.getByRole('button', { name: '中文' }).click()
    expect(await subtitle.textContent()).toBe('5 名成员，其他 1 人在线')
    await page.getByRole('button', { name: 'English' }).click()
    await demoUser(page, 'right', 'Alice Martin')
    await expect.poll(() => subtitle.textContent(), PATIENCE).toBe('5 members, nobody else online')
  })

  test('a conversation without messages says so, and offers a first one', async () => {
    const { left } = await openDemo()
    await left.open('Dana Levy')
    await sees(left.root.getByText('This is the beginning of your conversation with Dana Levy'))
    await left.root.getByRole('button', { name: 'Say hello' }).click()
    expect(await left.input.inputValue()).toBe('Hello! 👋')
    await left.input.press('Enter')
    await sees(left.message('Hello! 👋'))
    expect(await left.root.locator('.empty').isVisible()).toBe(false)
  })

  test('a text that is too long is not cut: it is counted, and can be sent when it is short enough', async () => {
    const { left } = await openDemo()
    const counter = left.root.locator('.counter')
    const send = left.root.getByRole('button', { name: 'Send', exact: true })
    await left.input.fill('x'.repeat(4000))
    expect(await counter.isVisible()).toBe(false)
    // As the server counts: an emoji is one.
    await left.input.fill('😀'.repeat(5000))
    expect(await counter.textContent()).toBe('5,000 of 5,000 characters')
    await left.input.fill('😀'.repeat(5003))
    expect(await counter.textContent()).toBe('3 characters too many: a message has at most 5,000')
    expect(await send.isDisabled()).toBe(true)
    await left.input.press('Enter')
    expect(await left.input.inputValue()).toBe('😀'.repeat(5003))
    await left.input.fill('x'.repeat(5000))
    await left.input.press('Enter')
    await sees(left.message('x'.repeat(5000)).locator('.receipt'))
    expect(await counter.isVisible()).toBe(false)
  })

  test('three steps say what to do, and “Show me” plays them', async () => {
    const { page, left, right } = await openDemo()
    const steps = page.locator('.guide li')
    expect(await steps.count()).toBe(3)
    await page.getByRole('button', { name: 'Show me' }).click()
    await sees(right.message('Hello over Legacy JSON 👋'))
    await sees(left.message('Hello back, over GraphQL 🎉'))
    await sees(steps.nth(1).and(page.locator('[aria-current=step]')))
    await expect.poll(() => left.root.locator('.status').textContent(), PATIENCE).toBe('Line cut')
    await sees(page.getByRole('button', { name: 'Show me again' }))
    expect(await texts(left.root.locator('.message.is-resumed p:not(.quote)'))).toEqual([
      'Your line is cut: this waits for you',
      'And so does this',
    ])
    expect(await page.locator('.guide .is-done').count()).toBe(3)
    await page.getByRole('button', { name: 'Three steps to try' }).click()
    await page.reload()
    await sees(page.getByRole('button', { name: 'Three steps to try', expanded: false }))
    expect(await page.locator('.guide').isVisible()).toBe(false)
  })

  test('what is written while the server restarts is sent when it is back, once, over both protocols', async () => {
    const folder = await copyDatabase()
    const first = await startApp({ DEMO: '1', DATA_DIR: folder })
    // Not watched: the browser complains of a server that is away.
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1360, height: 860 } })
    const page = await context.newPage()
    await page.goto(`${first.http}/`)
    const { left, right } = await demoOn(page)
    await first.stop()
    for (const pane of [left, right]) {
      await expect.poll(() => pane.root.locator('.status').textContent(), PATIENCE).not.toBe('Connected')
      await pane.send('Nobody is there')
    }
    await page.waitForEvent('requestfailed')
    const second = await startApp({ DEMO: '1', DATA_DIR: folder, PORT: String(first.port) })
    for (const pane of [left, right]) {
      await expect.poll(() => pane.message('Nobody is there').count(), PATIENCE).toBe(2)
      await isGone(pane.root.locator('.is-pending'))
      // The list may just be drawn again.
      await expect.poll(() => pane.message('Nobody is there').count(), PATIENCE).toBe(2)
      expect(await pane.strip.textContent()).not.toContain('0 events')
    }
    await context.close()
    await second.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('under each pane are its frames, and what the legacy ones became or came from', async () => {
    const { page, left, right } = await openDemo()
    await left.send('Look at the frames')
    await sees(right.message('Look at the frames'))
    const sent = left.frames.filter({ has: page.locator('.arrow.out') }).filter({ hasText: 'message_sent' })
    await sent.locator('summary').click()
    const [json, document, variables] = await texts(sent.locator('pre'))
    expect(JSON.parse(json ?? '')).toMatchObject({
      type: 'message_sent',
      data: { content: 'Look at the frames', receiver_id: 2 },
    })
    expect(await sent.locator('h4').first().textContent()).toBe('Became mutation LegacySendMessage')
    expect(document).toContain('sendMessage(input: $input)')
    expect(JSON.parse(variables ?? '')).toMatchObject({
      input: { receiverId: '2', content: 'Look at the frames', isGroup: false },
    })

    const came = left.frames.filter({ has: page.locator('.arrow.in') }).filter({ hasText: 'MessageSent' })
    await came.locator('summary').click()
    await expect.poll(() => texts(came.locator('h4')), PATIENCE).toContain('Came from the event MessageSent')
    expect(await came.locator('pre').nth(1).textContent()).toMatch(/^\.\.\. on MessageSent \{\n/)
    const event = JSON.parse((await came.locator('pre').nth(2).textContent()) ?? '') as unknown
    const message = { content: 'Look at the frames', sender: { id: '1', name: 'Alice Martin', avatar: null } }
    expect(event).toMatchObject({ __typename: 'MessageSent', message })

    await sees(right.frames.filter({ hasText: 'next · MessageSent' }).filter({ hasText: 'subscription Events' }))
    await right.send('And at these')
    for (const type of ['subscribe', 'next', 'complete']) {
      await sees(right.frames.filter({ hasText: `${type} · mutation Send` }).last())
    }
    const init = right.frames.filter({ hasText: 'connection_init' })
    await init.locator('summary').click()
    expect(await init.locator('pre').textContent()).toContain('"authorization": "Bearer …"')
  })

  test('older messages come when asked for, before the others', async () => {
    const ming = connectHttp(app.graphqlUrl, tokenOf({ userId: 3, name: '王明' }))
    const contents = Array.from({ length: 25 }, (_, index) => `Message ${index + 1} of 25`)
    for (const content of contents) {
      await ming.data('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }', {
        input: { receiverId: 4, content },
      })
    }
    const { left } = await openDemo()
    await left.root.getByLabel('User').selectOption('Dana Levy')
    await expect.poll(() => texts(left.row('王明').locator('.unread')), PATIENCE).toEqual(['25'])
    await left.open('王明')
    await expect.poll(() => texts(left.root.locator('.message p')), PATIENCE).toEqual(contents.slice(5))
    await left.root.getByRole('button', { name: 'Load older messages' }).click()
    await expect.poll(() => texts(left.root.locator('.message p')), PATIENCE).toEqual(contents)
    await isGone(left.row('王明').locator('.unread'))
    expect(await left.root.getByRole('button', { name: 'Load older messages' }).isVisible()).toBe(false)
  })

  test('markup in a message stays text', async () => {
    const { page, left, right } = await openDemo()
    const markup = '<img src=x onerror="document.title=1"><b>bold</b> &amp; <script>document.title=2</script>'
    await left.send(markup)
    await sees(right.message(markup))
    expect(await page.locator('main img, main b, main script').count()).toBe(0)
    expect(await page.title()).toBe('Parley: live demo')
  })

  test('the page speaks the browser’s language or the one that was chosen, and remembers that', async () => {
    const { page, left } = await openDemoAs({ locale: 'zh-CN' })
    expect(await evaluate(page, 'document.documentElement.lang')).toBe('zh-CN')
    expect(await page.title()).toBe('Parley：在线演示')
    expect(await left.cut.textContent()).toBe('切断线路')
    await page.getByRole('button', { name: 'English' }).click()
    expect(await left.cut.textContent()).toBe('Cut the line')
    await page.reload()
    await expect.poll(() => left.cut.textContent(), PATIENCE).toBe('Cut the line')
    expect(await evaluate(page, 'document.documentElement.lang')).toBe('en')
  })

  test('on a phone there is one pane at a time, the conversations or one of them, and nothing to scroll sideways', async () => {
    const { page, left, right } = await openDemoAs({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true })
    const fits = async (): Promise<void> => expect(await evaluate(page, 'document.documentElement.scrollWidth')).toBe(360)
    expect(await right.root.isVisible()).toBe(false)
    await fits()
    expect(await evaluate(page, TOO_SMALL)).toEqual([])
    await left.row('Ben Okafor').tap()
    expect(await left.row('Ben Okafor').isVisible()).toBe(false)
    const long = `From a phone ${'without any white space '.replaceAll(' ', '').repeat(20)}`
    await left.input.fill(long)
    await left.root.getByRole('button', { name: 'Send' }).tap()
    await sees(left.message(long))
    await fits()

    // Most of the screen is the chat, and what can be touched is large enough for a finger.
    await page.setViewportSize({ width: 390, height: 844 })
    const chat = await left.root.locator('.chat').boundingBox()
    expect(chat?.height).toBeGreaterThanOrEqual(540)
    await left.message(long).locator('.add').tap()
    const small = await evaluate(page, TOO_SMALL)
    expect(small).toEqual([])
    await page.setViewportSize({ width: 360, height: 740 })

    await page.getByRole('button', { name: 'Ben Okafor · GraphQL' }).tap()
    expect(await left.root.isVisible()).toBe(false)
    await expect.poll(() => texts(right.row('Alice Martin').locator('.unread')), PATIENCE).toEqual(['1'])
    await right.row('Alice Martin').tap()
    await sees(right.message(long))
    await fits()
    await right.root.getByRole('button', { name: 'Back to the conversations' }).tap()
    await sees(right.row('Alice Martin'))
    await isGone(right.row('Alice Martin').locator('.unread'))
  })

  test('everything can be done by keyboard, and the focus is seen', async () => {
    const { page, left, right } = await openDemo()
    const press = (...keys: string[]): Promise<void> =>
      keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve())
    const focused = (): Promise<unknown> => evaluate(page, 'document.activeElement.innerText || document.activeElement.ariaLabel')
    const tabTo = async (name: string): Promise<void> => {
      for (let presses = 0; presses < 60; presses++) {
        await press('Tab')
        if (String(await focused()).includes(name)) return
      }
      throw new Error(`the focus never comes to ${name}`)
    }
    // Those of the others are before them.
    await tabTo('王明')
    expect(await evaluate(page, 'getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    await left.row('Spring trip').focus()
    const titles = await texts(left.root.locator('.row-title'))
    await press('Home', 'ArrowDown', 'ArrowUp', 'End')
    expect(await focused()).toContain(titles.at(-1))
    await left.row('Ben Okafor').focus()
    await press('Enter')
    await page.keyboard.type('Typed by keyboard')
    await press('Shift+Enter')
    await page.keyboard.type('in two lines')
    await press('Enter')
    await sees(right.message('Typed by keyboard\nin two lines'))

    await left.message('Typed by keyboard\nin two lines').locator('.add').focus()
    await press('Enter', 'Tab', 'ArrowRight', 'Enter')
    await expect.poll(() => texts(right.message('Typed by keyboard\nin two lines').locator('.chip')), PATIENCE).toEqual(['❤️ 1'])
    await press('Enter', 'Tab', 'Escape')
    expect(await left.root.locator('.picker').count()).toBe(0)
    await press('Escape')
    expect(await left.root.locator('.thread').getByText('Choose a conversation').isVisible()).toBe(true)
    expect(await focused()).toBeTruthy()
  })

  test.each([1360, 360])('assistive software finds its way: %i pixels wide, light and dark', async (width) => {
    const { page, left } = await openDemoAs({ viewport: { width, height: 860 } })
    if (width === 360) await left.open('Ben Okafor')
    await left.send('Look at this')
    await left.message('Look at this').last().locator('.add').click()
    await left.frames.filter({ hasText: 'mutation LegacySendMessage' }).first().locator('summary').click()
    await left.frames.locator('pre').first().waitFor()
    await evaluate(page, axe.source)
    // In the dark nothing but the colours is different.
    for (const [colorScheme, run] of [
      ['light', 'axe.run()'],
      ['dark', "axe.run({ runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } })"],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      const { violations, passes } = (await evaluate(page, run)) as axe.AxeResults
      expect(passes.map(({ id }) => id)).toContain('color-contrast')
      expect([colorScheme, ...violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)])]).toEqual([colorScheme])
    }
  })

  test('the packed legacy client is a module that a page can import as it is', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-client-'))
    const [packed = ''] = execFileSync(process.execPath, [PACK, folder], { encoding: 'utf8' }).split('\n')
    execFileSync('tar', ['-xzf', packed, '-C', folder])
    const watched = await watchedContext(browser, app.http)
    opened.push(watched)
    await watched.context.route('**/client/**', async (route) => {
      const path = new URL(route.request().url()).pathname.slice('/client/'.length)
      await route.fulfill({ body: await readFile(join(folder, 'package', path)), contentType: 'text/javascript' })
    })
    // Any page of the server that has no policy against scripts.
    const page = await watched.open(`${app.http}/health`)
    const content = `
      import { createLegacyClient } from '/client/clients/legacy/client.js'
      const token = '${tokenOf({ userId: 1, name: 'Alice Martin' })}'
      const client = createLegacyClient({ url: '${app.legacyUrl}', token })
      await client.request('message_sent', { receiver_id: 2, content: 'From a page without a bundler' })
      for await (const push of client) if (push.type === 'message_sent') document.title = push.data.content`
    await page.addScriptTag({ type: 'module', content })
    await expect.poll(() => page.title(), PATIENCE).toBe('From a page without a bundler')
    await rm(folder, { recursive: true, force: true })
  })

  test('the scene of the README’s picture: a resume, who types, and what a frame became', async () => {
    const other = await startApp({ DEMO: '1' })
    const { page, left, right } = await openDemoAs({}, other)
    await left.send('I am on the old protocol, can you read me?')
    await right.message('I am on the old protocol, can you read me?').locator('.add').click()
    await right.root.locator('.picker button').first().click()
    await sees(left.root.locator('.chip', { hasText: '👍' }))
    await sees(left.message('I am on the old protocol, can you read me?').locator('.receipt.is-read'))
    await left.cut.click()
    for (const content of ['Yes, over GraphQL 🎉', 'Your line is cut now', 'These wait for you']) await right.send(content)
    await sees(right.message('These wait for you').locator('.receipt'))
    await left.cut.click()
    // It goes after some seconds.
    await expect.poll(() => left.strip.textContent(), PATIENCE).toMatch(/^↻ 3 events resumed/)
    await expect.poll(() => right.message('These wait for you').locator('.receipt').textContent(), PATIENCE).toBe('✓✓')
    await left.send('There they are, each once')
    await sees(right.message('There they are, each once'))
    await right.input.fill('And')
    await sees(left.root.locator('.thread .typing', { hasText: 'Ben Okafor' }))
    await left.frames.filter({ hasText: 'mutation LegacySendMessage' }).filter({ hasText: '↑' }).last().locator('summary').click()
    await picture(page, 'demo')
    await opened.pop()?.close()
    await other.stop()
  })
})
