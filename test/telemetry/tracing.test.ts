import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { SECRET, tokenOf } from '../support/app.ts'
import { copyServerDatabase, dropServerDatabase } from '../support/database.ts'
import { skipCluster } from '../support/cluster.ts'
import { connectLegacy } from '../support/legacy-client.ts'
import { randomPrefix, REDIS_URL } from '../support/redis-server.ts'
import { endProcesses, start } from '../support/server-process.ts'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  links?: { traceId: string; spanId: string }[]
  service: string
}

afterEach(() => endProcesses())

test.skipIf(skipCluster)('one trace from the frame on one node to the delivery on another', async () => {
  const spans: Span[] = []
  const collector = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(body) as {
        resourceSpans: {
          resource: { attributes: { key: string; value: { stringValue: string } }[] }
          scopeSpans: { spans: Span[] }[]
        }[]
      }
      for (const { resource, scopeSpans } of resourceSpans) {
        const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
        for (const scope of scopeSpans) spans.push(...scope.spans.map((span) => ({ ...span, service })))
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  collector.listen(0, '127.0.0.1')
  await once(collector, 'listening')
  const url = await copyServerDatabase()
  const shared = {
    DATABASE_URL: url,
    REDIS_URL,
    REDIS_PREFIX: randomPrefix(),
    JWT_SECRET: SECRET,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    OTEL_BSP_SCHEDULE_DELAY: '100',
  }
  try {
    const one = await start({ ...shared, OTEL_SERVICE_NAME: 'one' })
    const two = await start({ ...shared, OTEL_SERVICE_NAME: 'two' })
    const connect = (port: number, userId: number) =>
      connectLegacy(`ws://127.0.0.1:${port}/ws/connect`, {
        headers: { authorization: `Bearer ${tokenOf({ userId, name: `User ${userId}` })}` },
      })
    const [ann, bob] = [await connect(one.port, 1), await connect(two.port, 2)]
    await ann.request('message_sent', { receiver_id: 2, content: 'traced' })
    await bob.inbox.next(({ type }) => type === 'message_sent')
    const named = (name: string, service: string): Span | undefined =>
      spans.find((span) => span.name === name && span.service === service)
    const isDelivery = ({ name, service }: Span): boolean => name === 'deliver message_sent' && service === 'two'
    await expect.poll(() => spans.some(isDelivery) && named('statement send_messages', 'one') !== undefined).toBe(true)
    const frame = named('frame message_sent', 'one')
    const operation = named('mutation LegacySendMessage', 'one')
    const delivery = spans.find(isDelivery)
    const publish = spans.find(({ spanId }) => spanId === delivery?.parentSpanId)
    expect([operation?.parentSpanId, publish?.name, publish?.parentSpanId]).toEqual([
      frame?.spanId,
      'publish message_sent',
      operation?.spanId,
    ])
    expect(new Set([frame, operation, publish, delivery].map((span) => span?.traceId))).toEqual(new Set([frame?.traceId]))
    // The statement does the work of several messages: it is linked with each of them.
    expect(named('statement send_messages', 'one')?.links).toMatchObject([
      { traceId: operation?.traceId, spanId: operation?.spanId },
    ])
    for (const server of [one, two]) {
      server.child.kill('SIGTERM')
      expect(await server.ended).toBe(0)
    }
  } finally {
    endProcesses()
    await dropServerDatabase(url)
    collector.close()
  }
})
