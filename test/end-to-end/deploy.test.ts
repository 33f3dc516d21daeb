import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv, promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { loadSettings, readEnvironment } from '../../src/settings.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

interface Manifest {
  kind: string
  metadata: { name: string }
  spec: {
    replicas: number
    selector: { matchLabels?: object; app?: string }
    maxUnavailable: number
    ports: { targetPort: string }[]
    template: { metadata: { labels: object }; spec: PodSpec }
    rules: { http: { paths: { backend: { service: { name: string; port: { name: string } } } }[] } }[]
  }
}

interface PodSpec {
  terminationGracePeriodSeconds: number
  containers: {
    ports: { name: string; containerPort: number }[]
    env: { name: string; value: string }[]
    lifecycle: { preStop: { exec: { command: string[] } } }
    startupProbe: Probe
    livenessProbe: Probe
    readinessProbe: Probe
  }[]
}

interface Probe {
  httpGet: { path: string; port: string }
}

describe('the Kubernetes manifest', () => {
  const documents = parseAllDocuments(read('deploy/kubernetes.yaml'), { version: '1.2' })
  const manifests = documents.map((document) => document.toJS() as Manifest)
  const of = (kind: string): Manifest => manifests.find((each) => each.kind === kind) as Manifest
  const pod = of('Deployment').spec.template.spec
  const [container] = pod.containers as [PodSpec['containers'][number]]
  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))

  // The types are made from the API's own OpenAPI description; of a literal the compiler also refuses fields that there are not.
  test('has the fields and types of the Kubernetes API', async () => {
    expect(documents.flatMap(({ errors }) => errors)).toEqual([])
    const types: Record<string, string> = {
      Deployment: 'apps/v1',
      Service: 'core/v1',
      PodDisruptionBudget: 'policy/v1',
      Ingress: 'networking/v1',
    }
    expect(manifests.map(({ kind }) => kind)).toEqual(Object.keys(types))
    const source = manifests.map(
      (manifest, index) =>
        `import type { ${manifest.kind} } from 'kubernetes-types/${types[manifest.kind]}.d.ts'\n` +
        `export const manifest${index}: ${manifest.kind} = ${JSON.stringify(manifest, null, 2)}\n`,
    )
    const folder = await mkdtemp(join(tmpdir(), 'parley-manifest-'))
    try {
      await writeFile(join(folder, 'manifest.ts'), source.join(''))
      const compilerOptions = {
        ...{ module: 'preserve', target: 'es2023', types: [], strict: true, noEmit: true, skipLibCheck: true },
        paths: { 'kubernetes-types/*': [join(ROOT, 'node_modules/kubernetes-types/*')] },
      }
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['manifest.ts'] }))
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
      await promisify(execFile)(process.execPath, [tsc, '--project', folder]).catch((error: { stdout: string }) =>
        expect.fail(error.stdout),
      )
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('waits longer for a node to stop than it needs, and stops one at a time', () => {
    const pause = Number(container.lifecycle.preStop.exec.command.at(-1))
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(pause + Number(env['DRAIN_MS']) / 1000)
    expect(of('PodDisruptionBudget').spec.maxUnavailable).toBeLessThan(of('Deployment').spec.replicas)
  })

  test('refers to labels, ports and paths that there are', () => {
    const { labels } = of('Deployment').spec.template.metadata
    for (const kind of ['Deployment', 'PodDisruptionBudget']) expect(of(kind).spec.selector.matchLabels).toEqual(labels)
    expect(of('Service').spec.selector).toEqual(labels)
    const ports = container.ports.map(({ name }) => name)
    for (const { targetPort } of of('Service').spec.ports) expect(ports).toContain(targetPort)
    for (const { httpGet } of [container.startupProbe, container.livenessProbe, container.readinessProbe])
      expect(ports).toContain(httpGet.port)
    const numbers = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, String(containerPort)]))
    expect(numbers).toEqual({ http: env['PORT'], metrics: env['METRICS_PORT'] })
    expect([container.startupProbe, container.livenessProbe].map(({ httpGet }) => httpGet.path)).toEqual(['/health', '/health'])
    expect(container.readinessProbe.httpGet).toEqual({ path: '/ready', port: 'metrics' })
    for (const { backend } of of('Ingress').spec.rules.flatMap(({ http }) => http.paths))
      expect(backend.service).toEqual({ name: of('Service').metadata.name, port: { name: 'http' } })
  })
})

describe('.env.example', () => {
  const text = read('.env.example')
  const shown = parseEnv(text.replaceAll(/^#(?=[A-Z_]+=)/gm, '')) as Record<string, string>

  test('changes nothing as it is, and shows the defaults of numbers', () => {
    expect(parseEnv(text)).toEqual({})
    const numbers = Object.fromEntries(Object.entries(shown).filter(([, value]) => /^\d+$/.test(value)))
    expect(Object.keys(numbers).length).toBeGreaterThan(1)
    expect(loadSettings(numbers)).toEqual(loadSettings({}))
  })

  test('shows settings only', () => {
    const { names } = readEnvironment({})
    const base = (name: string): string => (names.has(name) ? name : name.replace(/_FILE$/, ''))
    expect(Object.keys(shown).filter((name) => !names.has(base(name)))).toEqual([])
  })
})

describe('compose.yaml', () => {
  interface Compose {
    services: Record<string, { volumes?: string[]; stop_grace_period?: string; environment?: Record<string, unknown> }>
  }
  const { services } = parse(read('deploy/compose.yaml'), { merge: true }) as Compose

  test('mounts files that there are', () => {
    const mounted = Object.values(services)
      .flatMap(({ volumes = [] }) => volumes)
      .map((volume) => volume.split(':')[0] as string)
      .filter((path) => path.startsWith('./') && path !== './certs')
    expect(mounted.length).toBeGreaterThan(3)
    expect(mounted.filter((path) => !existsSync(join(ROOT, 'deploy', path)))).toEqual([])
  })

  test('waits longer for a node to stop than it needs', () => {
    const { stop_grace_period: grace, environment } = services['parley1'] ?? {}
    expect(Number.parseInt(grace ?? '')).toBeGreaterThan(Number(environment?.['DRAIN_MS']) / 1000)
  })
})

test('Prometheus is given the names of services and the file of rules', () => {
  const { rule_files, scrape_configs } = parse(read('deploy/prometheus.yml')) as {
    rule_files: string[]
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[]
  }
  expect(rule_files).toEqual(['alerts.yml'])
  const jobs = Object.fromEntries(
    scrape_configs.map(({ job_name, static_configs }) => [job_name, static_configs.flatMap(({ targets }) => targets)]),
  )
  expect(jobs).toEqual({ parley: ['parley1:4000', 'parley2:4000'], proxy: ['proxy:8404'] })
  const { groups } = parse(read('deploy/alerts.yml')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[]
  }
  const rules = groups.flatMap((group) => group.rules)
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
  for (const { expr, annotations } of rules) expect([expr, annotations.summary]).not.toContain('')
  const job = rules.flatMap(({ expr }) => [...expr.matchAll(/job="(\w+)"/g)].map(([, name]) => name))
  expect(new Set(job)).toEqual(new Set(['parley']))
})
