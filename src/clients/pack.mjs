/**
 * Packs the clients in this repository as packages of their own: `npm run pack:clients [-- FOLDER]`. Each contains only the
 * compiled modules that its entry imports, so it has no dependencies.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, URL } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DIST = join(ROOT, 'dist')
const destination = resolve(process.argv[2] ?? join(DIST, 'packed'))
const { version, license, engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

const CLIENTS = [
  {
    name: 'parley-legacy-client',
    description: 'Client of Parley’s legacy JSON protocol that stays connected, for browsers and Node',
    readme: 'src/clients/legacy/README.md',
    entry: 'clients/legacy/client',
  },
  {
    name: 'parley-resume',
    description:
      'Subscriptions of graphql-ws and graphql-sse that resume after every cut, and an outbox for mutations; for any GraphQL server with an `after` argument',
    readme: 'src/clients/resume/README.md',
    entry: 'clients/resume/resume',
  },
]

const IMPORT = /((?:\bfrom\s*|\bimport\(\s*|\bimport\s*)['"])(\.[^'"]+)(['"])/g

/**
 * Copies a module and everything it imports. Declarations import source files; they are rewritten to modules, which all
 * compilers resolve.
 */
function copy(file, target, done = new Set()) {
  if (done.has(file)) return
  done.add(file)
  const text = readFileSync(file, 'utf8').replace(/^\/\/# sourceMappingURL=.*\n?/m, '')
  const isDeclaration = file.endsWith('.d.ts')
  for (const [, , specifier] of text.matchAll(IMPORT)) {
    copy(resolve(dirname(file), isDeclaration ? specifier.replace(/\.[jt]s$/, '.d.ts') : specifier), target, done)
  }
  const to = join(target, relative(DIST, file))
  mkdirSync(dirname(to), { recursive: true })
  writeFileSync(
    to,
    isDeclaration ? text.replaceAll(IMPORT, (_, before, path, after) => before + path.replace(/\.ts$/, '.js') + after) : text,
  )
}

for (const { name, description, readme, entry } of CLIENTS) {
  const target = join(destination, name)
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  copy(join(DIST, `${entry}.js`), target)
  copy(join(DIST, `${entry}.d.ts`), target)
  cpSync(join(ROOT, 'LICENSE'), join(target, 'LICENSE'))
  cpSync(join(ROOT, readme), join(target, 'README.md'))
  const [types, main] = [`./${entry}.d.ts`, `./${entry}.js`]
  const manifest = { name, version, description, license, type: 'module', sideEffects: false, main, types, engines }
  const exports = { '.': { types, default: main }, './package.json': './package.json' }
  writeFileSync(join(target, 'package.json'), `${JSON.stringify({ ...manifest, exports }, null, 2)}\n`)
  const args = ['pack', '--json', '--pack-destination', destination]
  const [{ filename }] = JSON.parse(execFileSync('npm', args, { cwd: target, encoding: 'utf8' }))
  rmSync(target, { recursive: true, force: true })
  console.log(join(destination, filename))
}
