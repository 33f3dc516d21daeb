/** The table of settings as text: for `npm start -- --help` and for docs/settings.md. */
import { GROUPS, type Setting } from './table.ts'

const HELP_COLUMNS = 126
const NAME_COLUMNS = 29

const PAGE = `# Settings

<!-- Generated from src/settings/table.ts: npm run contract -->

Environment variables. An absent or empty one takes its default; bad values are all reported at once, by name, and the process exits 1. Numbers are
integers. A variable whose name is close to a setting's (\`REDIS_URI\`) is named at start.

Settings can be kept in a file: \`npm start -- --env-file .env\`, which \`token\`, \`import\` and \`doctor\` take too; [.env.example](../.env.example) is one
to begin with. What the environment has wins over the file. \`npm start -- --help\` prints this page in short.

For production set at least \`NODE_ENV=production\`, \`DATABASE_URL\`, a key for tokens, and \`HOST=0.0.0.0\` where clients come from other machines; serve
\`wss\` with \`TLS_CERT\` and \`TLS_KEY\`, or behind a proxy that does TLS. For several nodes give all of them the same \`DATABASE_URL\`, \`REDIS_URL\`,
\`REDIS_PREFIX\` and key. [Settings that matter](operations.md#settings-that-matter) says what to think of for several nodes.
`

/** The default as it would be set; null if there is none. */
function defaultOf({ absent }: Setting<unknown>): string | null {
  if (typeof absent === 'boolean') return absent ? '1' : '0'
  return typeof absent === 'number' || typeof absent === 'string' ? String(absent) : null
}

/** The settings with their defaults, in lines of at most 126 characters, under their titles. */
export function settingsHelp(): string {
  const lines = GROUPS.flatMap(({ title, settings }) => [
    `  ${title}`,
    ...settings.flatMap((setting) => {
      const value = setting.shown?.replaceAll('`', '') ?? defaultOf(setting)
      const about = value === null || value === 'none' ? setting.about : `${setting.about} (${value})`
      const [first = '', ...more] = wrap(about, HELP_COLUMNS - NAME_COLUMNS - 4)
      const name = `    ${setting.variable.padEnd(NAME_COLUMNS)}`
      return [`${name}${first}`, ...more.map((line) => `${' '.repeat(name.length)}${line}`)]
    }),
  ])
  return lines.join('\n')
}

function wrap(text: string, columns: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? ''
    if (last === '') lines[lines.length - 1] = word
    else if (last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** docs/settings.md. */
export function settingsPage(): string {
  return [PAGE, ...GROUPS.map(({ title, settings }) => `## ${title}\n\n${table(settings)}\n`)].join('\n')
}

function table(settings: readonly Setting<unknown>[]): string {
  const rows = settings.flatMap((setting) => {
    const { variable, about, more, shown, isSecret } = setting
    const value = defaultOf(setting)
    const meaning = more === undefined ? about : `${about}. ${more.charAt(0).toUpperCase()}${more.slice(1)}`
    const row = [`\`${variable}\``, shown ?? (value === null ? 'none' : `\`${value}\``), meaning]
    return isSecret ? [row, [`\`${variable}_FILE\``, 'none', `path of a file that holds ${variable}`]] : [row]
  })
  const all = [['variable', 'default', 'meaning'], ...rows].map((cells) => cells.map(markdown))
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = all
  return [head, widths.map((width) => '-'.repeat(width)), ...body].map(line).join('\n')
}

/** Names of settings, paths and the like as code, unless they are marked up already. */
function markdown(text: string): string {
  return text
    .split(/(`[^`]*`|\[[^\]]*\]\([^)]*\))/)
    .map((part, index) =>
      index % 2 === 1
        ? part
        : part.replaceAll(/\/(?:metrics|ready)\b|rediss?:\/\/|\b(?:[A-Z]+_)+(?:[A-Z]+)?\b|\b(?:PORT|memory:)(?=\W|$)/g, '`$&`'),
    )
    .join('')
}
