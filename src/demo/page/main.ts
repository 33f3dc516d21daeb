import { HAS_ROOM } from './chat-view.ts'
import { h, setAttributes } from './dom.ts'
import { Guide } from './guide.ts'
import { Pane } from './pane.ts'
import { loadConfig } from './server.ts'
import { keepLanguage, LANGUAGES, preferredLanguage, type Language } from './text.ts'

const root = document.getElementById('app') as HTMLElement
let language = preferredLanguage()

async function start(): Promise<void> {
  const config = await loadConfig()
  const [first, second] = config.users
  const panes: Pane[] = []
  const title = h('h1', {}, 'Parley')
  const tagline = h('p', { class: 'tagline' })
  const languages = h('div', { class: 'switch', role: 'group' })
  const tabs = h('div', { class: 'switch tabs', role: 'group' })

  const speak = (): void => {
    const { tag, text } = LANGUAGES[language]
    document.documentElement.lang = tag
    document.title = text.title
    tagline.textContent = text.tagline
    setAttributes(languages, { 'aria-label': text.language })
    setAttributes(tabs, { 'aria-label': text.panes })
    for (const button of languages.querySelectorAll('button')) {
      setAttributes(button, { 'aria-pressed': String(button.lang === tag) })
    }
    for (const pane of panes) pane.speak(text)
    guide.speak(text)
    drawTabs()
  }

  const drawTabs = (): void => {
    for (const [index, button] of [...tabs.querySelectorAll('button')].entries()) {
      button.textContent = panes[index]?.title() ?? ''
      setAttributes(button, { 'aria-pressed': String(panes[index]?.element.id === root.dataset['pane']) })
    }
  }

  for (const [name, { name: label, tag }] of Object.entries(LANGUAGES)) {
    const button = h('button', { type: 'button', lang: tag }, label)
    button.addEventListener('click', () => {
      language = name as Language
      keepLanguage(language)
      speak()
    })
    languages.append(button)
  }

  const bring = (pane: Pane): void => {
    root.dataset['pane'] = pane.element.id
    drawTabs()
    pane.shown()
  }
  const { text } = LANGUAGES[language]
  const guide = new Guide({ text, panes: () => panes as [Pane, Pane], bring })
  const onOpened = (): void => {
    if (!matchMedia(HAS_ROOM).matches) guide.hide()
  }

  const common = { config, text, onChosen: drawTabs, onOpened }
  panes.push(
    new Pane({ ...common, side: 'left', userId: first?.id ?? '', peerId: second?.id ?? '', protocol: 'legacy' }),
    new Pane({ ...common, side: 'right', userId: second?.id ?? '', peerId: first?.id ?? '', protocol: 'graphql' }),
  )
  // A phone has room for one.
  root.dataset['pane'] = 'left'
  for (const pane of panes) {
    const button = h('button', { type: 'button' })
    button.addEventListener('click', () => bring(pane))
    tabs.append(button)
  }

  const top = h(
    'header',
    { class: 'top' },
    title,
    tagline,
    config.graphiql && h('a', { href: '/graphql' }, 'GraphiQL'),
    guide.toggle,
    languages,
    tabs,
  )
  root.replaceChildren(top, guide.element, h('main', {}, ...panes.map(({ element }) => element)))
  speak()
}

start().catch((error: unknown) => {
  const { failed } = LANGUAGES[language].text
  root.replaceChildren(h('p', { class: 'fatal', role: 'alert' }, `${failed}: ${String(error)}`))
})
