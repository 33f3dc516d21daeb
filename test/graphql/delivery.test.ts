import { expect, test } from 'vitest'
import { deliveryOf, type SourceEvent } from '../../src/graphql/delivery.ts'

const event = (event: unknown): SourceEvent => event as SourceEvent
const user = { id: 7, name: 'Ann', avatar: null }

test.each([
  ['an event of the log', { id: 5, kind: 'message_sent', payload: {} }, 'durable', undefined],
  ['what a resume could not give', { id: null, kind: 'resume_incomplete', payload: {} }, 'durable', undefined],
  [
    'who types where',
    { id: null, kind: 'typing', payload: { conversationId: 'group_1', user } },
    'ephemeral',
    'typing group_1 7',
  ],
  ['who is online', { id: null, kind: 'presence', payload: { userId: 7 } }, 'ephemeral', 'presence 7'],
])('%s', (_, given, expectedClass, key) => {
  const told = event(given)
  const delivery = deliveryOf(told)
  expect(delivery).toEqual({ event: told, class: expectedClass, key })
  expect(deliveryOf(told)).toBe(delivery)
})

test('no entry of the activity trace replaces another one', () => {
  const [one, other] = [{ kind: 'activity' }, { kind: 'activity' }].map((each) => deliveryOf(event(each)))
  expect(one?.class).toBe('ephemeral')
  expect(one?.key).not.toBe(other?.key)
})
