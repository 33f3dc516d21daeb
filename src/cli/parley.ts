#!/usr/bin/env node
import '../../check-node.cjs'

/** On an unsupported Node.js the check must run first, so everything else is loaded after it. */
const COMMANDS = {
  start: {
    summary: 'starts the server',
    load: async () => (await import('./start.ts')).start,
  },
  token: {
    summary: "prints a token for a user, signed with the server's own secret",
    load: async () => (await import('./token.ts')).token,
  },
  import: {
    summary: 'imports users, conversations, groups, messages, receipts and reactions of another server',
    load: async () => (await import('./import.ts')).importFile,
  },
  export: {
    summary: 'writes what is stored, or all of one user, in the format of an import',
    load: async () => (await import('./export.ts')).exportFile,
  },
  migrate: {
    summary: 'brings the database to the schema of this version, as a start does, and ends',
    load: async () => (await import('./migrate.ts')).migrateDatabase,
  },
  doctor: {
    summary: 'checks what a server relies on, and tells what to do about it',
    load: async () => (await import('./doctor.ts')).doctor,
  },
}

const NAMES = Object.keys(COMMANDS)

const HELP = `Parley, a realtime chat backend.

  parley COMMAND [options]
  parley COMMAND --help
  parley --help | --version

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(7)}  ${summary}`)
  .join('\n')}

Settings come from the environment, or from a file with --env-file FILE: parley start --help names them. In a clone, npm start is
parley start, and npm run token -- ... is parley token ...; so are import, export and doctor. npm start also gives Node.js
--max-semi-space-size=32, which saves CPU time under load: NODE_OPTIONS=--max-semi-space-size=32 parley start does the same.

Exit status: 0, or 1 where something could not be done, with the reason on standard error.

Examples:
  parley start --env-file .env
  parley token --sub 7 --name Ann`

async function main([name = '', ...args]: readonly string[]): Promise<void> {
  if (name === '--help') return console.log(HELP)
  if (name === '--version') return console.log((await import('../telemetry/version.ts')).version)
  if (Object.hasOwn(COMMANDS, name)) {
    const { runCommand } = await import('./command.ts')
    return await runCommand(await COMMANDS[name as keyof typeof COMMANDS].load(), args)
  }
  const problem = name === '' ? 'COMMAND is missing' : `${JSON.stringify(name)} is not a command`
  console.error(`${problem}, expected one of ${NAMES.join(', ')}\nSee --help.`)
  process.exitCode = 1
}

void main(process.argv.slice(2))
