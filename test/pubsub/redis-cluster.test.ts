import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Hint } from '../../src/pubsub/publisher.ts'
import { createCheckpointStore } from '../../src/cluster/checkpoint-store.ts'
import { RedisRegistry } from '../../src/cluster/presence-registry.redis.ts'
import { createRedisPubSub, type RedisPubSubEngine, type RedisStage } from '../../src/pubsub/redis.ts'
import { Inbox } from '../support/inbox.ts'
import { createRedisCluster, createRedisServer, skipRedisServer } from '../support/redis-server.ts'

const PREFIX = 'p:'
const hint = (seq: number): Hint => ({ seq, event: { id: seq, at: 1, kind: 'test', payload: null } })

const engines: RedisPubSubEngine[] = []
afterEach(async () => void (await Promise.all(engines.splice(0).map((engine) => engine.close()))))

async function open(url: string, nodeId: string): Promise<{ engine: RedisPubSubEngine; errors: Inbox<RedisStage> }> {
  const errors = new Inbox<RedisStage>()
  const engine = await createRedisPubSub({ url, prefix: PREFIX, nodeId, onError: (stage) => errors.push(stage) })
  engines.push(engine)
  return { engine, errors }
}

describe.skipIf(skipRedisServer)('Redis Cluster', () => {
  let cluster: Awaited<ReturnType<typeof createRedisCluster>>
  beforeAll(async () => {
    cluster = await createRedisCluster()
  })
  afterAll(() => cluster.close())

  test('hints go between nodes whatever server each is connected to, from one seed that says it is a cluster too', async () => {
    const [first] = cluster.nodes
    const nodes = await Promise.all(
      [cluster.url, cluster.url, `${first?.url}?cluster=true`].map((url, index) => open(url, `n${index}`)),
    )
    const inboxes = await Promise.all(
      nodes.map(async ({ engine }) => {
        const inbox = new Inbox<Hint>()
        await engine.subscribe('a', (one: Hint) => inbox.push(one), {})
        return inbox
      }),
    )
    for (let seq = 1; seq <= 30; seq++) await nodes[seq % 3]?.engine.publish('a', hint(seq))
    for (const inbox of inboxes) {
      const seqs: unknown[] = []
      while (seqs.length < 30) seqs.push((await inbox.next()).seq)
      expect(seqs.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
    }
    expect(nodes.map(({ engine }) => engine.state())).toEqual(['up', 'up', 'up'])
    expect(nodes.flatMap(({ errors }) => errors.drain())).toEqual([])
  })

  test('presence and checkpoints, whose keys are on several servers, work', async () => {
    const { engine } = await open(cluster.url, 'a')
    const [a, b] = ['a', 'b'].map(
      (nodeId) => new RedisRegistry({ redis: engine.commands, prefix: PREFIX, nodeId, leaseMs: 60_000 }),
    )
    await Promise.all([a?.renew(), b?.renew()])
    expect(await a?.enter(1)).toBe(true)
    expect(await b?.enter(1)).toBe(false)
    expect(await b?.online([1, 2])).toEqual(new Set([1]))
    expect((await a?.nodes())?.toSorted()).toEqual(['a', 'b'])
    const texts = createCheckpointStore({ redis: engine.commands, prefix: PREFIX })
    const users = Array.from({ length: 20 }, (_, index) => index + 1)
    for (const user of users) {
      texts.opened(user, 'ended')
      texts.opened(user, 'open')
      texts.closed(user, 'ended', `of ${user}`)
    }
    await expect
      .poll(() => Promise.all(users.map((user) => texts.load(user))))
      .toEqual(users.map((user) => ({ texts: [`of ${user}`], open: ['open'], isWhole: true })))
  })

  test('when a server of the cluster dies, hints go on over the others', async () => {
    const [one, two] = [await open(cluster.url, 'one'), await open(cluster.url, 'two')]
    const inbox = new Inbox<Hint>()
    await two.engine.subscribe('a', (each: Hint) => inbox.push(each), {})
    await cluster.nodes[1]?.kill()
    let seq = 0
    await vi.waitFor(
      async () => {
        await one.engine.publish('a', hint(++seq))
        await one.engine.ping()
        await two.engine.ping()
        expect(inbox.drain().map((each) => each.seq)).toContain(seq)
      },
      { timeout: 20_000, interval: 100 },
    )
  })
})

describe.skipIf(skipRedisServer)('rediss://', () => {
  test('a server with TLS and a password takes hints, one with a certificate that nobody vouches for does not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'parley-tls-'))
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject], {
      stdio: 'pipe',
    })
    const plain = await createRedisServer()
    const port = Number(new URL(plain.url).port)
    await plain.close()
    const tls = ['--tls-port', `${port}`, '--tls-cert-file', cert, '--tls-key-file', key, '--tls-auth-clients', 'no']
    const server = await createRedisServer(...tls, '--requirepass', 'p@ss')
    const url = `rediss://:${encodeURIComponent('p@ss')}@localhost:${port}`
    try {
      await server.start()
      const { errors } = await open(url, 'stranger')
      expect(await errors.next()).toBe('connect')

      // Who vouches for a certificate is read at the start of a process.
      const script = `
        import { createRedisPubSub } from './src/pubsub/redis.ts'
        const open = (nodeId) => createRedisPubSub({ url: process.argv[1], prefix: 'p:', nodeId, onError: (stage, error) => console.error(stage, error) })
        const [one, two] = await Promise.all([open('one'), open('two')])
        await two.subscribe('a', async (hint) => {
          console.log(JSON.stringify(hint))
          await Promise.all([one.close(), two.close()])
        })
        await one.publish('a', ${JSON.stringify(hint(1))})
      `
      const output = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, url], {
        env: { ...process.env, NODE_EXTRA_CA_CERTS: cert },
        encoding: 'utf8',
        timeout: 30_000,
      })
      expect(JSON.parse(output)).toEqual(hint(1))
    } finally {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
