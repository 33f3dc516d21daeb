/** The demo's page at `/`: everything it loads comes from this server. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Kind, print, visit, type DocumentNode } from 'graphql'
import { PUSH_OF } from '../legacy-protocol/events.ts'
import * as legacy from '../legacy-protocol/operations.generated.ts'
import type { DemoConfig } from './config.ts'

export interface DemoPage {
  headers: Record<string, string>
  body: string
}

export interface DemoPagesOptions {
  /** The users with fresh tokens. */
  users: () => DemoConfig['users']
  graphiql: boolean
  /** The newest event's id. */
  lastEventId: () => Promise<number>
}

/** The content at a path; undefined if none. */
export type DemoPages = (path: string) => Promise<DemoPage | undefined>

/** The same path from the sources and from the compiled files. */
const ROOT = new URL('../../', import.meta.url)
const GRAPHQL_WS = pathToFileURL(createRequire(import.meta.url).resolve('graphql-ws/client'))

/** For browsers `self` includes WebSockets. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const pageOf = (type: string, body: string): DemoPage => ({
  headers: { 'Content-Type': `${type}; charset=utf-8`, 'Content-Security-Policy': POLICY },
  body,
})

export function createDemoPages({ users, graphiql, lastEventId }: DemoPagesOptions): DemoPages {
  let assets: Promise<Map<string, DemoPage>> | undefined
  const texts = describeLegacy()

  async function config(): Promise<DemoConfig> {
    return { users: users(), graphiql, lastEventId: String(await lastEventId()), now: Date.now(), ...texts }
  }

  return async (path) => {
    if (path === '/demo/config.json') return pageOf('application/json', JSON.stringify(await config()))
    // Keyed by request path, so only these files can be read.
    assets ??= loadAssets().catch((error: unknown) => {
      assets = undefined
      // An installation may omit the page, or not have built it.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map<string, DemoPage>()
      throw error
    })
    return (await assets).get(path)
  }
}

/** Reads all that the page loads, some 200 KB, at the first request. */
async function loadAssets(): Promise<Map<string, DemoPage>> {
  const assets = new Map<string, DemoPage>()
  const add = async (path: string, file: URL, type: string): Promise<void> =>
    void assets.set(path, pageOf(type, await readFile(file, 'utf8')))
  await add('/', new URL('src/demo/page/index.html', ROOT), 'text/html')
  await add('/demo/style.css', new URL('src/demo/page/style.css', ROOT), 'text/css')
  await addModules('/demo/js/', new URL('dist/', ROOT), 'demo/page/main.js')
  await addModules('/demo/graphql-ws/', new URL('./', GRAPHQL_WS), 'client.js')
  return assets

  /** Adds a module below `root` and those that it imports by a relative path. */
  async function addModules(prefix: string, root: URL, name: string): Promise<void> {
    if (assets.has(prefix + name)) return
    const file = new URL(name, root)
    await add(prefix + name, file, 'text/javascript')
    const { body } = assets.get(prefix + name) as DemoPage
    for (const [, specifier] of body.matchAll(IMPORT)) {
      await addModules(prefix, root, new URL(specifier as string, file).href.slice(root.href.length))
    }
  }
}

/** Not any string behind `export`: one may be a selector. */
const IMPORT = /^(?:import|export)\b(?:[^'";]*\bfrom)?\s*['"](\.[^'"]+)['"]/gm

/** The operations behind the legacy protocol, as texts: the documents that the endpoint executes. */
function describeLegacy(): Pick<DemoConfig, 'operations' | 'events'> {
  const operations = (Object.values(legacy) as DocumentNode[]).flatMap((document) => {
    const operation = document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    return operation?.name ? [[operation.name.value, print(document)] as const] : []
  })
  const events: Record<string, string> = {}
  const fragments = legacy.LegacyFeedDocument.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
  visit(legacy.LegacyFeedDocument, {
    InlineFragment(fragment) {
      const push = PUSH_OF[fragment.typeCondition?.name.value as keyof typeof PUSH_OF]
      const text = print(fragment)
      const used = fragments.filter(({ name }) => text.includes(`...${name.value}`))
      events[push] = [text, ...used.map(print)].join('\n\n')
    },
  })
  return { operations: Object.fromEntries(operations), events }
}
