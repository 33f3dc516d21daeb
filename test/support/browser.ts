import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome']
/** The fonts are for what the demo says in Chinese and in emoji. */
const PACKAGES = ['chromium', 'fonts-noto-cjk', 'fonts-noto-color-emoji']
const INSTALL_MS = 300_000

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
export function findBrowser(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

/** Installs Chromium where there is none and it can be done, as root on Debian; else the tests with it are skipped. */
export function installBrowser(): void {
  if (findBrowser() !== undefined || !isRoot || !existsSync('/etc/debian_version')) return
  console.error(`installing ${PACKAGES.join(', ')} for the tests in a browser`)
  const deadline = Date.now() + INSTALL_MS
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...PACKAGES]]) {
    const { status, error, stderr } = spawnSync('apt-get', ['-q', ...args], {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: Math.max(1, deadline - Date.now()),
    })
    if (status !== 0) return console.error(`apt-get ${args[0]} failed: ${error?.message ?? stderr}`)
  }
}

/** Locally the tests in a browser are skipped where there is none; in CI they fail. */
export const skipBrowser = process.env['CI'] === undefined && findBrowser() === undefined

/** Starts a browser that talks to nobody by itself. */
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
