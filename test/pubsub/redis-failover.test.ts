import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, test } from 'vitest'
import { createRedisPubSub, type RedisPubSubEngine } from '../../src/pubsub/redis.ts'
import { explainRedisError } from '../../src/pubsub/redis-problem.ts'
import { diagnoseRedis } from '../../src/pubsub/diagnose.ts'
import { createRedisServer, createSentinel, freePort, skipRedisServer, type RedisServer } from '../support/redis-server.ts'

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each()
})

async function startRedis(...args: string[]): Promise<RedisServer> {
  const server = await createRedisServer(...args)
  undo.push(() => server.close())
  await server.start()
  return server
}

async function command(url: string, name: string, ...args: (string | number)[]): Promise<void> {
  const redis = new Redis(url)
  await redis.call(name, ...args)
  await redis.quit()
}

/** An address that leads new connections to the server that is chosen; those that are open stay where they are. */
async function startSwitch(first: string): Promise<{ url: string; lead(to: string): void }> {
  let target = Number(new URL(first).port)
  const sockets = new Set<Socket>()
  const server: Server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    client.pipe(upstream).pipe(client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  undo.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead: (to) => void (target = Number(new URL(to).port)),
  }
}

describe.skipIf(skipRedisServer)('a node whose Redis fails over', () => {
  test('leaves the one that was demoted at once, is not ready while it takes no writes, and goes on at the new one', async () => {
    const [one, two] = await Promise.all([startRedis(), startRedis()])
    const address = await startSwitch(one.url)
    const engine: RedisPubSubEngine = await createRedisPubSub({
      url: address.url,
      prefix: 'p:',
      nodeId: 'node',
      onError: () => undefined,
    })
    undo.push(() => engine.close())
    await expect.poll(() => engine.state()).toBe('up')
    await engine.ping()
    const heard: unknown[] = []
    await engine.subscribe('topic', (hint: unknown) => void heard.push(hint), {})

    await command(one.url, 'REPLICAOF', '127.0.0.1', new URL(two.url).port)
    // The address still leads to the demoted one.
    await expect(engine.ping()).rejects.toThrow('READONLY')
    await expect(engine.ping()).rejects.toThrow('not connected')
    expect(engine.state()).toBe('down')
    expect(String(engine.problem())).toContain('READONLY')

    address.lead(two.url)
    await expect.poll(() => engine.state()).toBe('up')
    await engine.ping()
    await command(two.url, 'PUBLISH', 'p:topic', JSON.stringify({ from: 'another', hint: { seq: 1 } }))
    await expect.poll(() => heard).toEqual([{ seq: 1 }])
  })

  test('goes where Sentinel says, and on to the replica that it promotes', async () => {
    const one = await startRedis()
    const two = await startRedis('--replicaof', '127.0.0.1', new URL(one.url).port)
    const port = await freePort()
    const sentinel = await createSentinel(port, Number(new URL(one.url).port))
    undo.push(() => sentinel.close())
    const url = `redis+sentinel://127.0.0.1:${await freePort()},127.0.0.1:${port}/main`
    const errors: unknown[] = []
    const engine = await createRedisPubSub({
      url,
      prefix: 'p:',
      nodeId: 'node',
      onError: (_stage, error) => void errors.push(error),
    })
    undo.push(() => engine.close())
    await expect.poll(() => engine.state()).toBe('up')
    await engine.ping()
    const heard: unknown[] = []
    await engine.subscribe('topic', (hint: unknown) => void heard.push(hint), {})
    const facts = await diagnoseRedis(url, 'p:', 1000)
    expect(facts.isCluster).toBe(false)

    // Until then Sentinel may not know of the replica.
    await expect.poll(() => sentinel.replicas()).toBe(1)
    await one.kill()
    await expect.poll(() => engine.state()).toBe('down')
    await expect.poll(() => engine.state()).toBe('up')
    await engine.ping()
    await command(two.url, 'PUBLISH', 'p:topic', JSON.stringify({ from: 'another', hint: { seq: 1 } }))
    await expect.poll(() => heard).toEqual([{ seq: 1 }])
    expect(errors).not.toEqual([])
  })

  test('is not ready while Redis refuses writes for another reason', async () => {
    const server = await startRedis()
    const engine = await createRedisPubSub({ url: server.url, prefix: 'p:', nodeId: 'node', onError: () => undefined })
    undo.push(() => engine.close())
    await expect.poll(() => engine.state()).toBe('up')
    await command(server.url, 'CONFIG', 'SET', 'maxmemory', 1)
    await expect(engine.ping()).rejects.toThrow('OOM')
    await command(server.url, 'CONFIG', 'SET', 'maxmemory', 0)
    await engine.ping()
  })
})

describe.skipIf(skipRedisServer)('what is wrong with REDIS_URL', () => {
  /** What a server would say of it, after the first attempt to connect. */
  const problemOf = async (url: string): Promise<{ message: string; isTemporary: boolean }> => {
    const engine = await createRedisPubSub({ url, prefix: 'p:', nodeId: 'node', onError: () => undefined })
    try {
      return await explainRedisError(url, engine.problem())
    } finally {
      await engine.close()
    }
  }

  test('is described in a sentence without its password, and whether to wait', async () => {
    const { url } = await startRedis('--requirepass', 'hidden')
    const { host, port } = new URL(url)
    expect(await problemOf(`redis://:hidden-1@${host}`)).toEqual({
      message: `Redis at ${host} refuses the user or the password of REDIS_URL.`,
      isTemporary: false,
    })
    expect(await problemOf(url)).toEqual({
      message: `Redis at ${host} asks for a password, and REDIS_URL holds none: redis://:password@host:6379.`,
      isTemporary: false,
    })
    const closed = `127.0.0.1:${await freePort()}`
    expect(await problemOf(`redis://:hidden-2@${closed}`)).toEqual({
      message: `No Redis at ${closed} answers. Start it or correct REDIS_URL.`,
      isTemporary: true,
    })
    expect(await problemOf(`redis://:hidden@${host}/99`)).toEqual({
      message: `Redis at ${host} has no database of the number in REDIS_URL. Correct REDIS_URL.`,
      isTemporary: false,
    })
    expect(await problemOf(`redis://:hidden@${host}?cluster=true`)).toEqual({
      message: `Redis at ${host} is no cluster. Leave ?cluster=true out of REDIS_URL, and name one server.`,
      isTemporary: false,
    })
    expect(await problemOf(`redis+sentinel://:hidden@${host}/main?sentinel_password=hidden`)).toEqual({
      message: `Redis itself answers at ${host}, where REDIS_URL expects Sentinel. Write redis:// or name Sentinels in REDIS_URL.`,
      isTemporary: false,
    })
    const tls = explainRedisError(`rediss://:hidden@${host}`, new Error('Client network socket disconnected'))
    expect(await tls).toEqual({
      message: `Redis at ${host} does not speak TLS. Write redis:// in REDIS_URL.`,
      isTemporary: false,
    })
    const unknown = Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' })
    expect(await explainRedisError(`redis://:hidden@redis.invalid:${port}`, unknown)).toEqual({
      message: 'The host redis.invalid of REDIS_URL is not known. Correct REDIS_URL.',
      isTemporary: true,
    })
  })

  /** A server that answers all data in this way; resolves with its port. */
  async function listen(answer: (socket: Socket, data: Buffer) => void): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (data) => answer(socket, data))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    undo.push(() => server.close())
    return (server.address() as AddressInfo).port
  }

  test('is described where another kind of server answers', async () => {
    // As PostgreSQL does: it hangs up at what it does not know, and answers the request for TLS with a letter.
    const port = await listen((socket, data) => (data[3] === 8 ? socket.end('N') : socket.end()))
    expect(await problemOf(`redis://127.0.0.1:${port}`)).toEqual({
      message: `PostgreSQL answers at 127.0.0.1:${port}, where REDIS_URL expects Redis. Correct REDIS_URL.`,
      isTemporary: false,
    })
    const web = await listen((socket) => socket.end('<!DOCTYPE html>\r\n'))
    expect(await problemOf(`redis://127.0.0.1:${web}`)).toEqual({
      message: `What answers at 127.0.0.1:${web} is not Redis. Correct REDIS_URL.`,
      isTemporary: false,
    })
  })
})
