/** `npm run contract`: writes docs/asyncapi.yaml and docs/schemas/ from the tables of frames.ts, docs/settings.md from that of settings. */
import { mkdir, writeFile } from 'node:fs/promises'
import { runCommand } from './command.ts'
import { asyncApi, frameSchemas } from '../legacy-protocol/contract.ts'
import { settingsPage } from '../settings/reference.ts'

const DOCS = new URL('../../docs/', import.meta.url)
const GENERATED = '# Generated from src/legacy-protocol/frames.ts: npm run contract\n'
/** What YAML reads as the same text without quotes. */
const PLAIN = /^(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z][A-Za-z0-9_/-]*$/i

/** A value as YAML, indented; every string that might be read otherwise is quoted as in JSON, which YAML includes. */
function yaml(value: unknown, indent: string): string {
  if (typeof value === 'string') return PLAIN.test(value) ? value : JSON.stringify(value)
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return JSON.stringify(value)
  if (Array.isArray(value)) return value.map((item) => `\n${indent}- ${yaml(item, `${indent}  `).trimStart()}`).join('')
  return Object.entries(value)
    .map(([key, member]) => {
      const text = yaml(member, `${indent}  `)
      return `\n${indent}${yaml(key, '')}:${text.startsWith('\n') ? text : ` ${text}`}`
    })
    .join('')
}

const HELP = `Writes docs/asyncapi.yaml and docs/schemas/legacy-frames.json from the tables of legacy frames, and docs/settings.md from the
table of settings.

  npm run contract

It takes no options but --help, needs no server and reads no settings. A test fails where the files differ from the tables.

Example:
  npm run contract && git diff docs`

async function write(): Promise<void> {
  await writeFile(new URL('settings.md', DOCS), settingsPage())
  await mkdir(new URL('schemas/', DOCS), { recursive: true })
  await writeFile(new URL('asyncapi.yaml', DOCS), `${GENERATED}${yaml(asyncApi(), '').trimStart()}\n`)
  await writeFile(new URL('schemas/legacy-frames.json', DOCS), `${JSON.stringify(frameSchemas(), null, 2)}\n`)
}

await runCommand(
  {
    help: HELP,
    options: {},
    readsSettings: false,
    async run(given) {
      given.finish()
      await write()
      return 0
    },
  },
  process.argv.slice(2),
)
