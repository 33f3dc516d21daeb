/** `npm run contract`: writes docs/asyncapi.yaml and docs/schemas/ from the tables of frames.ts, docs/settings.md from that of settings. */
import { mkdir, writeFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import { runCommand } from './command.ts'
import { asyncApi, frameSchemas } from '../legacy-protocol/contract.ts'
import { settingsPage } from '../settings/reference.ts'

const DOCS = new URL('../../docs/', import.meta.url)
const GENERATED = '# Generated from src/legacy-protocol/frames.ts: npm run contract\n'
const HELP = `Writes docs/asyncapi.yaml and docs/schemas/legacy-frames.json from the tables of legacy frames, and docs/settings.md from the
table of settings.

  npm run contract

It takes no options but --help, needs no server and reads no settings. A test fails where the files differ from the tables.

Example:
  npm run contract && git diff docs`

async function write(): Promise<void> {
  await writeFile(new URL('settings.md', DOCS), settingsPage())
  await mkdir(new URL('schemas/', DOCS), { recursive: true })
  await writeFile(
    new URL('asyncapi.yaml', DOCS),
    GENERATED + stringify(asyncApi(), { lineWidth: 0, aliasDuplicateObjects: false }),
  )
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
