import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedApp, tokenOf, type TestApp, type TestUser } from '../support/app.ts'
import { RefusedError, type Frame, type LegacyClient } from '../support/legacy-client.ts'
import { clientFrame, OPCODE, openRawSocket, type RawSocket } from '../support/raw-socket.ts'

const SEND = '发送消息失败'
const TYPING = '更新输入状态失败'
const READ = '标记消息已读失败'
const ADD = '添加反应失败'
const REMOVE = '移除反应失败'
const RESUME = '恢复失败'
const NO_JSON = '无效的JSON格式'
const NO_TYPE = '缺少必要字段'
const UNKNOWN = '未知的消息类型'

/** An existing receiver, so that a send is refused only for the reason in its row. */
const BOB = 555
const EMOJI = '👍'

interface World {
  ann: TestUser
  /** Messages: to Ann, by Ann, between others, in a group of others, in a group of Ann's where only its owner may send. */
  toAnn: number
  byAnn: number
  ofOthers: number
  inTheirGroup: number
  inMutedGroup: number
  theirConversation: string
  theirGroup: string
  mutedGroup: string
}

let app: TestApp
let world: World
let client: LegacyClient
let partner: LegacyClient

const sendTo = async (from: TestUser, input: Record<string, unknown>): Promise<number> => {
  const { sendMessage } = await app
    .over(from)
    .data('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { id } }', { input: { content: 'hi', ...input } })
  return Number(sendMessage.id)
}

const createGroup = async (owner: TestUser, input: Record<string, unknown>): Promise<string> => {
  const { createGroup } = await app
    .over(owner)
    .data('mutation ($input: CreateGroupInput!) { createGroup(input: $input) { conversation { id } } }', {
      input: { name: 'Group', ...input },
    })
  return createGroup.conversation.id as string
}

beforeAll(async () => {
  app = await sharedApp()
  const bob = { id: BOB, name: 'Bob' }
  partner = await app.ready(bob)
  const [ann, carl, dora] = [await app.user('Ann'), await app.user('Carl'), await app.user('Dora')]
  const theirGroup = await createGroup(carl, { memberIds: [String(dora.id)] })
  const mutedGroup = await createGroup(carl, { memberIds: [String(ann.id)], allowSendMessages: false })
  world = {
    ann,
    toAnn: await sendTo(bob, { receiverId: ann.id }),
    byAnn: await sendTo(ann, { receiverId: BOB }),
    ofOthers: await sendTo(carl, { receiverId: dora.id }),
    inTheirGroup: await sendTo(carl, { conversationId: theirGroup }),
    inMutedGroup: await sendTo(carl, { conversationId: mutedGroup }),
    theirConversation: `direct_${carl.id}_${dora.id}`,
    theirGroup,
    mutedGroup,
  }
  client = await app.ready(ann)
  await partner.settle()
})
afterAll(() => app.stop())

/** Nothing of what a server is made of: statements, stacks, names of libraries and files, values that JavaScript prints. */
const INTERNALS =
  /SyntaxError|TypeError|Unexpected|JSON\.parse|position \d|\bat \w+ \(|node:|\.[jt]s\b|undefined|\[object|SELECT|INSERT|prisma|pglite|postgres|graphql|\$\w|Variable|constraint/i

interface Expected {
  code: number
  msg: string
  /** The value of `details.error`, or a part of it. */
  reason: string
  echo: string | undefined
}

/** Sends what is bad, checks the answer, and that the next good request is answered as if nothing had been. */
async function refuses(text: string, { code, msg, reason, echo }: Expected): Promise<void> {
  client.send(text)
  const frame = await client.inbox.next()
  const { error } = (frame.data as { details: { error: string } }).details
  expect(client.texts.at(-1)).toBe(
    JSON.stringify({ type: 'error', code, msg, data: { code, message: msg, details: { error } }, message_id: echo }),
  )
  expect(error).toContain(reason)
  expect(error).not.toMatch(INTERNALS)
  expect(error.length).toBeLessThan(250)
  // The same key each time: a success each time, and stored and pushed once.
  const good = await client.request('message_sent', { receiver_id: BOB, content: 'good' }, 'good')
  expect(good).toEqual({
    type: 'message_sent',
    code: 200,
    msg: 'success',
    data: { success: true, message: '消息发送成功' },
    message_id: 'good',
  })
  expect((await client.settle()).filter(({ type }) => type !== 'message_sent')).toEqual([])
}

type Row = [name: string, frame: string | object, msg: string, reason: string, echo?: string]

const ask = (type: string, data?: unknown): object => (data === undefined ? { type } : { type, data })
const send = (data: object): object => ask('message_sent', { receiver_id: BOB, content: 'hi', ...data })
const group = (data: object): object =>
  ask('message_sent', { is_group: true, conversation_id: 'group_1', content: 'hi', ...data })
const react = (data: object): object => ask('reaction_added', { message_id: 42, reaction: EMOJI, ...data })
const unreact = (data: object): object => ask('reaction_removed', { message_id: 42, reaction: EMOJI, ...data })

/** Integers that no id can be, each with how the reason names it. */
const BAD_IDS: [name: string, json: string, came: string][] = [
  ['missing', '', 'is missing'],
  ['null', 'null', 'is null'],
  ['zero', '0', 'is the number 0'],
  ['negative', '-1', 'is the number -1'],
  ['a fraction', '1.5', 'is the number 1.5'],
  ['a string', '"2"', 'is the string "2"'],
  ['over 2^53', '9007199254740993', 'is the number 9007199254740992'],
  ['a huge number', '1e999', 'is the number Infinity'],
  ['400 digits', '9'.repeat(400), 'is the number Infinity'],
  ['a boolean', 'true', 'is the boolean true'],
  ['an array', '[2]', 'is an array'],
  ['an object', '{"id":2}', 'is an object'],
]

const idRows = (type: string, field: string, rest: string, msg: string, range: string): Row[] =>
  BAD_IDS.map(([name, json, came]) => {
    const members = [json === '' ? '' : `"${field}":${json}`, rest].filter((member) => member !== '').join(',')
    return [
      `${type}: ${field} ${name}`,
      `{"type":"${type}","message_id":"e","data":{${members}}}`,
      msg,
      `data.${field} ${came}, expected an integer of 1 to ${range}`,
      'e',
    ]
  })

const LARGEST_INT = '2147483647'
const LARGEST_SAFE = '9007199254740991'

const frames: Row[] = [
  // Not a JSON object
  ['nothing', '', NO_JSON, 'not valid JSON'],
  ['a word', 'hello', NO_JSON, 'not valid JSON'],
  ['cut JSON', '{"type":"ping"', NO_JSON, 'not valid JSON'],
  ['single quotes', "{'type':'ping'}", NO_JSON, 'not valid JSON'],
  ['a trailing comma', '{"type":"ping",}', NO_JSON, 'not valid JSON'],
  ['a comment', '{"type":"ping"} // hi', NO_JSON, 'not valid JSON'],
  ['two objects', '{"type":"ping"}{"type":"ping"}', NO_JSON, 'not valid JSON'],
  ['NaN', '{"type":"ping","data":NaN}', NO_JSON, 'not valid JSON'],
  ['a byte order mark', '\ufeff{"type":"ping"}', NO_JSON, 'not valid JSON'],
  ['a raw NUL', '{"type":"ping\u0000"}', NO_JSON, 'not valid JSON'],
  ['a raw line break in a string', '{"type":"pi\nng"}', NO_JSON, 'not valid JSON'],
  ['half an escape', '{"type":"\\ud8"}', NO_JSON, 'not valid JSON'],
  ['60,000 open brackets', '['.repeat(60_000), NO_JSON, 'not valid JSON'],
  ['60,000 open braces', '{"a":'.repeat(12_000), NO_JSON, 'not valid JSON'],
  ['null', 'null', NO_JSON, 'the frame is null, expected a JSON object'],
  ['a number', '7', NO_JSON, 'the frame is the number 7'],
  ['a huge number', '1e400', NO_JSON, 'the frame is the number Infinity'],
  ['a string', '"ping"', NO_JSON, 'the frame is the string "ping"'],
  ['a boolean', 'false', NO_JSON, 'the frame is the boolean false'],
  ['an array', '[{"type":"ping"}]', NO_JSON, 'the frame is an array'],
  ['a deep array', `${'['.repeat(5000)}${']'.repeat(5000)}`, NO_JSON, 'the frame is an array'],

  // type
  ['an empty object', {}, NO_TYPE, 'type is missing, expected one of message_sent, '],
  ['no type', { data: { receiver_id: BOB, content: 'hi' } }, NO_TYPE, 'type is missing'],
  ['a type behind __proto__', '{"__proto__":{"type":"ping"},"message_id":"p"}', NO_TYPE, 'type is missing', 'p'],
  ['type null', { type: null }, UNKNOWN, 'type is null'],
  ['type a number', { type: 1 }, UNKNOWN, 'type is the number 1'],
  ['type a boolean', { type: true }, UNKNOWN, 'type is the boolean true'],
  ['type an array', { type: ['ping'] }, UNKNOWN, 'type is an array'],
  ['type an object', { type: { ping: 1 } }, UNKNOWN, 'type is an object'],
  ['type empty', { type: '' }, UNKNOWN, 'type is the string ""'],
  ['type in capitals', { type: 'PING' }, UNKNOWN, 'type is the string "PING"'],
  ['type with a space', { type: 'ping ' }, UNKNOWN, 'type is the string "ping "'],
  ['type __proto__', { type: '__proto__' }, UNKNOWN, 'type is the string "__proto__"'],
  ['type constructor', { type: 'constructor' }, UNKNOWN, 'type is the string "constructor"'],
  ['type hasOwnProperty', { type: 'hasOwnProperty' }, UNKNOWN, 'type is the string "hasOwnProperty"'],
  ['type of 60,000 characters', { type: 'x'.repeat(60_000) }, UNKNOWN, `type is the string "${'x'.repeat(40)}…"`],
  ['a type that only the server sends', { type: 'connection_established' }, UNKNOWN, 'type is the string'],
  ['type error', { type: 'error' }, UNKNOWN, 'type is the string "error"'],
  ['type online_status', { type: 'online_status' }, UNKNOWN, 'type is the string'],
  ['type notification', { type: 'notification', data: {} }, UNKNOWN, 'type is the string'],
  ['the last of two types', '{"type":"ping","type":"pong","message_id":"d"}', UNKNOWN, 'type is the string "pong"', 'd'],

  // message_id
  ['message_id empty', { type: 'ping', message_id: '' }, NO_JSON, 'message_id is empty'],
  ['message_id a number', { ...send({}), message_id: 7 }, SEND, 'message_id is the number 7, expected a string'],
  ['message_id an object', { ...send({}), message_id: {} }, SEND, 'message_id is an object, expected a string'],
  [
    'message_id an array',
    { type: 'resume', message_id: ['a'], data: { last_message_id: '0' } },
    RESUME,
    'message_id is an array',
  ],
  ['message_id of 65 characters', { ...send({}), message_id: 'k'.repeat(65) }, SEND, 'message_id is longer than 64 characters'],
  ['message_id with a NUL', { ...send({}), message_id: 'a\u0000' }, SEND, 'message_id has a NUL character'],
  [
    'message_id a lone surrogate',
    `{"type":"message_sent","message_id":"\\ud800","data":{"receiver_id":${BOB},"content":"hi"}}`,
    SEND,
    'message_id has a NUL character or a lone surrogate',
  ],
  ['a bad message_id with an unknown type', { type: 'nope', message_id: false }, UNKNOWN, 'type is the string "nope"'],

  // data
  ['message_sent: no data', ask('message_sent'), SEND, 'data is missing, expected an object'],
  ['message_sent: data null', ask('message_sent', null), SEND, 'data is null, expected an object'],
  ['message_sent: data an array', ask('message_sent', []), SEND, 'data is an array, expected an object'],
  ['message_sent: data a string', ask('message_sent', '{}'), SEND, 'data is the string "{}"'],
  ['message_sent: data a number', ask('message_sent', 1), SEND, 'data is the number 1'],
  [
    'message_sent: data behind __proto__',
    `{"type":"message_sent","message_id":"p","data":{"__proto__":{"receiver_id":${BOB},"content":"hi"}}}`,
    SEND,
    'data.receiver_id is missing',
    'p',
  ],
  [
    'message_sent: data behind constructor',
    `{"type":"message_sent","message_id":"p","data":{"constructor":{"prototype":{"content":"hi"}},"receiver_id":${BOB}}}`,
    SEND,
    'data.content is missing',
    'p',
  ],
  [
    'message_sent: the last of two receivers',
    `{"type":"message_sent","message_id":"d","data":{"receiver_id":${BOB},"content":"hi","receiver_id":0}}`,
    SEND,
    'data.receiver_id is the number 0',
    'd',
  ],
  ['typing: no data', ask('typing'), TYPING, 'data is missing'],
  ['message_read: no data', ask('message_read'), READ, 'data is missing'],
  ['reaction_added: no data', ask('reaction_added'), ADD, 'data is missing'],
  ['reaction_removed: data a string', ask('reaction_removed', 'x'), REMOVE, 'data is the string "x"'],
  ['resume: no data', ask('resume'), RESUME, 'data is missing'],

  // Ids
  ...idRows('message_sent', 'receiver_id', '"content":"hi"', SEND, LARGEST_INT),
  ['message_sent: receiver_id over int32', send({ receiver_id: 2 ** 31 }), SEND, 'data.receiver_id is the number 2147483648'],
  ...idRows('message_read', 'message_id', '', READ, LARGEST_SAFE),
  ...idRows('reaction_added', 'message_id', '"reaction":"+1"', ADD, LARGEST_SAFE),
  ...idRows('reaction_removed', 'message_id', '"reaction":"+1"', REMOVE, LARGEST_SAFE),

  // message_sent
  ['is_group a string', send({ is_group: 'true' }), SEND, 'data.is_group is the string "true", expected true or false'],
  ['is_group a number', send({ is_group: 1 }), SEND, 'data.is_group is the number 1'],
  ['is_group an object', send({ is_group: {} }), SEND, 'data.is_group is an object'],
  ['a group without conversation_id', group({ conversation_id: undefined }), SEND, 'data.conversation_id is missing'],
  ['a group with conversation_id null', group({ conversation_id: null }), SEND, 'data.conversation_id is null'],
  ['a group with conversation_id empty', group({ conversation_id: '' }), SEND, 'data.conversation_id is empty'],
  ['conversation_id a number', send({ conversation_id: 12 }), SEND, 'data.conversation_id is the number 12, expected a string'],
  [
    'a group with conversation_id too long',
    group({ conversation_id: 'c'.repeat(129) }),
    SEND,
    'data.conversation_id is longer than 128',
  ],
  ['conversation_id with a NUL', send({ conversation_id: 'c\u0000' }), SEND, 'data.conversation_id has a NUL'],
  ['content missing', send({ content: undefined }), SEND, 'data.content is missing, expected a string'],
  ['content null', send({ content: null }), SEND, 'data.content is null'],
  ['content a number', send({ content: 5 }), SEND, 'data.content is the number 5'],
  ['content an object', send({ content: { text: 'hi' } }), SEND, 'data.content is an object'],
  ['content empty', send({ content: '' }), SEND, 'data.content is empty, expected a string of 1 to 5000 characters'],
  ['content of 5001 characters', send({ content: 'a'.repeat(5001) }), SEND, 'data.content is longer than 5000 characters'],
  ['content of 5001 emoji', send({ content: EMOJI.repeat(5001) }), SEND, 'data.content is longer than 5000 characters'],
  ['content with a NUL', send({ content: 'a\u0000b' }), SEND, 'data.content has a NUL character'],
  [
    'content with a lone surrogate',
    `{"type":"message_sent","message_id":"s","data":{"receiver_id":${BOB},"content":"a\\ud800b"}}`,
    SEND,
    'data.content has a NUL character or a lone surrogate',
    's',
  ],
  [
    'content with surrogates in the wrong order',
    `{"type":"message_sent","message_id":"s","data":{"receiver_id":${BOB},"content":"\\udc4d\\ud83d"}}`,
    SEND,
    'data.content has a NUL character or a lone surrogate',
    's',
  ],
  ['group content empty', group({ content: '' }), SEND, 'data.content is empty'],
  ['message_type empty', send({ message_type: '' }), SEND, 'data.message_type is ""'],
  ['message_type in capitals', send({ message_type: 'Text' }), SEND, 'data.message_type is "Text", expected 1 to 32 lower case'],
  ['message_type that starts with a digit', send({ message_type: '3d' }), SEND, 'data.message_type is "3d"'],
  ['message_type with a hyphen', send({ message_type: 'a-b' }), SEND, 'data.message_type is "a-b"'],
  ['message_type of 33 characters', send({ message_type: 'a'.repeat(33) }), SEND, 'data.message_type is "aaa'],
  ['message_type a number', send({ message_type: 1 }), SEND, 'data.message_type is the number 1'],
  ['media_url empty', send({ media_url: '' }), SEND, 'data.media_url is empty'],
  ['media_url relative', send({ media_url: '/a.png' }), SEND, 'data.media_url is "/a.png", expected an http or https URL'],
  ['media_url of ftp', send({ media_url: 'ftp://a/b' }), SEND, 'data.media_url is "ftp://a/b"'],
  ['media_url of a script', send({ media_url: 'javascript:alert(1)' }), SEND, 'data.media_url is "javascript:alert(1)"'],
  ['media_url without a host', send({ media_url: 'https://' }), SEND, 'data.media_url is "https://"'],
  ['media_url with a space', send({ media_url: 'http://a/ b' }), SEND, 'data.media_url is "http://a/ b"'],
  ['media_url too long', send({ media_url: 'http://a/'.padEnd(2049, 'b') }), SEND, 'data.media_url is longer than 2048'],
  ['media_url an array', send({ media_url: ['http://a/'] }), SEND, 'data.media_url is an array'],
  ['content missing beside a media_url', send({ content: undefined, media_url: 'http://a/' }), SEND, 'data.content is missing'],

  // typing
  ['session_id missing', ask('typing', { typing: true }), TYPING, 'data.session_id is missing, expected a string'],
  ['session_id null', ask('typing', { session_id: null, typing: true }), TYPING, 'data.session_id is null'],
  ['session_id a number', ask('typing', { session_id: 1, typing: true }), TYPING, 'data.session_id is the number 1'],
  ['session_id empty', ask('typing', { session_id: '', typing: true }), TYPING, 'data.session_id is empty'],
  ['session_id too long', ask('typing', { session_id: 's'.repeat(129), typing: true }), TYPING, 'data.session_id is longer than'],
  ['typing missing', ask('typing', { session_id: 's' }), TYPING, 'data.typing is missing, expected true or false'],
  ['typing null', ask('typing', { session_id: 's', typing: null }), TYPING, 'data.typing is null'],
  ['typing a string', ask('typing', { session_id: 's', typing: 'true' }), TYPING, 'data.typing is the string "true"'],
  ['typing a number', ask('typing', { session_id: 's', typing: 1 }), TYPING, 'data.typing is the number 1'],

  // message_read and reactions
  ['read: is_group a number', ask('message_read', { message_id: 1, is_group: 0 }), READ, 'data.is_group is the number 0'],
  ['reaction missing', react({ reaction: undefined }), ADD, 'data.reaction is missing, expected a string'],
  ['reaction null', react({ reaction: null }), ADD, 'data.reaction is null'],
  ['reaction a number', react({ reaction: 1 }), ADD, 'data.reaction is the number 1'],
  ['reaction empty', react({ reaction: '' }), ADD, 'data.reaction is empty, expected 1 to 64 bytes'],
  ['reaction of 65 bytes', react({ reaction: 'a'.repeat(65) }), ADD, 'data.reaction is longer than 64 bytes'],
  ['reaction of 17 emoji', react({ reaction: EMOJI.repeat(17) }), ADD, 'data.reaction is longer than 64 bytes'],
  ['reaction with a space', react({ reaction: 'a b' }), ADD, 'data.reaction has white space'],
  [
    'reaction with a control character',
    react({ reaction: '\u0007' }),
    ADD,
    'data.reaction has white space or control characters',
  ],
  ['reaction with a NUL', react({ reaction: '\u0000' }), ADD, 'data.reaction has'],
  [
    'reaction a lone surrogate',
    '{"type":"reaction_added","message_id":"s","data":{"message_id":1,"reaction":"\\ud83d"}}',
    ADD,
    'data.reaction has a NUL character or a lone surrogate',
    's',
  ],
  ['reaction: is_group a string', react({ is_group: 'no' }), ADD, 'data.is_group is the string "no"'],
  ['removed reaction missing', unreact({ reaction: undefined }), REMOVE, 'data.reaction is missing'],
  ['removed reaction too long', unreact({ reaction: '字'.repeat(22) }), REMOVE, 'data.reaction is longer than 64 bytes'],
  ['removed reaction: is_group an array', unreact({ is_group: [] }), REMOVE, 'data.is_group is an array'],

  // resume
  ['cursor missing', ask('resume', {}), RESUME, 'data.last_message_id is missing, expected a string'],
  ['cursor null', ask('resume', { last_message_id: null }), RESUME, 'data.last_message_id is null'],
  ['cursor a number', ask('resume', { last_message_id: 1041 }), RESUME, 'data.last_message_id is the number 1041'],
  ['cursor empty', ask('resume', { last_message_id: '' }), RESUME, 'data.last_message_id is "", expected a string of 1 to 19'],
  ['cursor negative', ask('resume', { last_message_id: '-1' }), RESUME, 'data.last_message_id is "-1"'],
  ['cursor a fraction', ask('resume', { last_message_id: '1.5' }), RESUME, 'data.last_message_id is "1.5"'],
  ['cursor in hexadecimal', ask('resume', { last_message_id: '0x10' }), RESUME, 'data.last_message_id is "0x10"'],
  ['cursor of 20 digits', ask('resume', { last_message_id: '9'.repeat(20) }), RESUME, 'data.last_message_id is "999'],
  ['cursor in other digits', ask('resume', { last_message_id: '１' }), RESUME, 'data.last_message_id is'],
]

describe('a bad frame', () => {
  test('comes in more than 60 kinds', () => {
    expect(new Set(frames.map(([name]) => name)).size).toBe(frames.length)
    expect(frames.length).toBeGreaterThan(60)
  })

  test.each(frames)('%s', async (name, frame, msg, reason, echo) => {
    if (typeof frame === 'string') return await refuses(frame, { code: 400, msg, reason, echo })
    // A valid message_id is echoed; rows that bring a bad one of their own get none back.
    const own = 'message_id' in frame
    const text = JSON.stringify(own ? frame : { ...frame, message_id: name })
    await refuses(text, { code: 400, msg, reason, echo: own ? undefined : name })
  })

  const rules: [name: string, frame: (world: World) => object, code: number, msg: string, reason: (world: World) => string][] = [
    [
      'a message to oneself',
      ({ ann }) => send({ receiver_id: ann.id }),
      400,
      SEND,
      () => 'receiver_id is the sender: a message to oneself is not possible',
    ],
    [
      'somebody else’s conversation_id',
      ({ theirConversation }) => send({ conversation_id: theirConversation }),
      400,
      SEND,
      ({ ann }) => `conversation_id is not the one of this receiver: expected "direct_${BOB}_${ann.id}" or none`,
    ],
    [
      'a conversation_id with the ids the wrong way round',
      ({ ann }) => send({ conversation_id: `direct_${ann.id}_${BOB}` }),
      400,
      SEND,
      ({ ann }) => `conversation_id is not the one of this receiver: expected "direct_${BOB}_${ann.id}" or none`,
    ],
    [
      'a conversation_id longer than any',
      () => send({ conversation_id: 'direct_'.repeat(100) }),
      400,
      SEND,
      ({ ann }) => `conversation_id is not the one of this receiver: expected "direct_${BOB}_${ann.id}" or none`,
    ],
    [
      'a group’s conversation_id with a receiver',
      ({ mutedGroup }) => send({ conversation_id: mutedGroup }),
      400,
      SEND,
      ({ ann }) => `conversation_id is not the one of this receiver: expected "direct_${BOB}_${ann.id}" or none`,
    ],
    ['an unknown receiver', () => send({ receiver_id: 2_000_000_000 }), 404, SEND, () => 'there is no user 2000000000'],
    [
      'a send to a group of others',
      ({ theirGroup }) => group({ conversation_id: theirGroup }),
      403,
      SEND,
      () => 'only members may send to this group',
    ],
    [
      'a send to a muted group',
      ({ mutedGroup }) => group({ conversation_id: mutedGroup }),
      403,
      SEND,
      () => 'only owner and admins may send to this group now',
    ],
    ['a send to no group', () => group({ conversation_id: 'group_2000000000' }), 404, SEND, () => '"group_2000000000"'],
    [
      'a send to a group id over int32',
      () => group({ conversation_id: 'group_99999999999' }),
      404,
      SEND,
      () => 'there is no group',
    ],
    [
      'a direct conversation as a group',
      ({ ann }) => group({ conversation_id: `direct_${BOB}_${ann.id}` }),
      404,
      SEND,
      () => 'there is no group',
    ],
    [
      'typing in a group of others',
      ({ theirGroup }) => ask('typing', { session_id: theirGroup, typing: true }),
      403,
      TYPING,
      () => 'only members may do this in a group',
    ],
    [
      'typing in a conversation of others',
      ({ theirConversation }) => ask('typing', { session_id: theirConversation, typing: true }),
      404,
      TYPING,
      ({ theirConversation }) => `there is no conversation ${theirConversation}`,
    ],
    [
      'typing in no conversation',
      () => ask('typing', { session_id: 'nowhere', typing: true }),
      404,
      TYPING,
      () => 'there is no conversation nowhere',
    ],
    [
      'typing to an unknown user',
      ({ ann }) => ask('typing', { session_id: `direct_${ann.id}_2000000000`, typing: true }),
      404,
      TYPING,
      () => 'there is no conversation',
    ],
    [
      'typing to oneself',
      ({ ann }) => ask('typing', { session_id: `direct_${ann.id}_${ann.id}`, typing: true }),
      404,
      TYPING,
      () => 'there is no conversation',
    ],
    [
      'a read of one’s own message',
      ({ byAnn }) => ask('message_read', { message_id: byAnn }),
      400,
      READ,
      () => 'message_id is a message of your own',
    ],
  ]
  const notFound: [type: string, msg: string, rest: object][] = [
    ['message_read', READ, {}],
    ['reaction_added', ADD, { reaction: EMOJI }],
    ['reaction_removed', REMOVE, { reaction: EMOJI }],
  ]
  for (const [type, msg, rest] of notFound) {
    const about = (pick: (world: World) => number, isGroup: boolean) => (all: World) =>
      ask(type, { message_id: pick(all), is_group: isGroup, ...rest })
    const missing = (pick: (world: World) => number, isGroup: boolean) => (all: World) =>
      `there is no ${isGroup ? 'group' : 'direct'} message ${pick(all)}`
    const cases: [name: string, pick: (world: World) => number, isGroup: boolean][] = [
      ['of no message', () => Number.MAX_SAFE_INTEGER, false],
      ['of a message between others', ({ ofOthers }) => ofOthers, false],
      ['of a message in a group of others', ({ inTheirGroup }) => inTheirGroup, true],
      ['of a direct message as a group’s', ({ toAnn }) => toAnn, true],
      ['of a group’s message as a direct one', ({ inMutedGroup }) => inMutedGroup, false],
    ]
    for (const [name, pick, isGroup] of cases)
      rules.push([`${type} ${name}`, about(pick, isGroup), 404, msg, missing(pick, isGroup)])
  }

  test.each(rules)('%s', async (name, frame, code, msg, reason) => {
    const text = JSON.stringify({ ...frame(world), message_id: name })
    await refuses(text, { code, msg, reason: reason(world), echo: name })
  })

  test.each([
    ['other content', send({ content: 'another' })],
    ['another type', send({ message_type: 'note' })],
    ['media', send({ media_url: 'https://example.com/a.png' })],
    ['another conversation', ({ other: { id } }: { other: TestUser }) => send({ content: 'hi', receiver_id: id })],
  ])('an idempotency key used again with %s', async (_, frame) => {
    await client.request('message_sent', { receiver_id: BOB, content: 'hi' }, 'used')
    await client.settle()
    const again = typeof frame === 'function' ? frame({ other: await app.user() }) : frame
    const reason = 'this idempotency key was used for another message; use a new one for each message'
    await refuses(JSON.stringify({ ...again, message_id: 'used' }), { code: 409, msg: SEND, reason, echo: 'used' })
  })

  test('uses no idempotency key up: the corrected send goes through', async () => {
    const key = 'corrected'
    expect(await client.request('message_sent', { receiver_id: world.ann.id, content: 'hi' }, key)).toMatchObject({ code: 400 })
    expect(await client.request('message_sent', { receiver_id: BOB, content: 5 }, key)).toMatchObject({ code: 400 })
    expect(await client.request('message_sent', { receiver_id: BOB, content: 'corrected' }, key)).toMatchObject({ code: 200 })
    await client.settle()
  })

  test('sent many at once is answered in order, each with its own answer, and the good ones between them work', async () => {
    for (let n = 0; n < 300; n++) {
      client.send(
        n % 3 === 2
          ? { ...send({ content: '' }), message_id: `n${n}` }
          : n % 3 === 1
            ? '{'
            : { type: 'message_read', message_id: `n${n}`, data: { message_id: world.toAnn } },
      )
    }
    const answers = await client.inbox.take(300)
    const expected = Array.from({ length: 300 }, (_, n) =>
      n % 3 === 2 ? [400, SEND, `n${n}`] : n % 3 === 1 ? [400, NO_JSON, undefined] : [200, 'success', `n${n}`],
    )
    expect(answers.map(({ code, msg, message_id }) => [code, msg, message_id])).toEqual(expected)
  })

  test('disturbs nobody else: the partner saw the good messages, each once', async () => {
    const pushes = (await partner.settle()).filter(({ type }) => type === 'message_sent')
    expect(pushes.map(({ data }) => data.content)).toEqual(['good', 'hi', 'corrected'])
    expect(app.logged.filter(({ level }) => Number(level) >= 40)).toEqual([])
  })
})

describe('what is no message of the protocol closes the socket', () => {
  const open = async (path = '/ws/connect'): Promise<RawSocket> =>
    await openRawSocket(app.port, path, {
      Authorization: `Bearer ${tokenOf({ userId: world.ann.id, name: world.ann.name })}`,
      ...(path === '/graphql' ? { 'Sec-WebSocket-Protocol': 'graphql-transport-ws' } : {}),
    })
  const long = JSON.stringify({ type: 'ping', data: 'x'.repeat(65_536) })
  const bytes = (...values: number[]): Buffer => Buffer.from(values)
  const pieces = (text: string, size: number): Buffer[] =>
    Array.from({ length: Math.ceil(text.length / size) }, (_, n) => {
      const last = (n + 1) * size >= text.length
      return clientFrame(n === 0 ? OPCODE.text : OPCODE.continuation, text.slice(n * size, (n + 1) * size), { fin: last })
    })

  const cases: [name: string, code: number, frames: Buffer[]][] = [
    ['a binary message', 1003, [clientFrame(OPCODE.binary, '{"type":"ping"}')]],
    ['an empty binary message', 1003, [clientFrame(OPCODE.binary, '')]],
    ['a byte that is no UTF-8', 1007, [clientFrame(OPCODE.text, bytes(0x22, 0xff, 0x22))]],
    ['a cut UTF-8 sequence', 1007, [clientFrame(OPCODE.text, bytes(0x22, 0xe5, 0xad))]],
    ['an overlong UTF-8 sequence', 1007, [clientFrame(OPCODE.text, bytes(0xc0, 0xaf))]],
    ['a surrogate encoded as UTF-8', 1007, [clientFrame(OPCODE.text, bytes(0x22, 0xed, 0xa0, 0x80, 0x22))]],
    ['a frame over MAX_FRAME_BYTES', 1009, [clientFrame(OPCODE.text, long)]],
    ['fragments that add up to more than MAX_FRAME_BYTES', 1009, pieces(long, 30_000)],
    ['a continuation of nothing', 1002, [clientFrame(OPCODE.continuation, 'x')]],
    ['a reserved opcode', 1002, [clientFrame(3, 'x')]],
    ['a reserved bit', 1002, [bytes(0xc1, 0x80, 0, 0, 0, 0)]],
    ['a frame without a mask', 1002, [bytes(0x81, 0x02, 0x7b, 0x7d)]],
    ['a fragmented ping', 1002, [clientFrame(OPCODE.ping, '', { fin: false })]],
  ]

  test.each(cases)('%s, with %i', async (_, code, sent) => {
    for (const path of ['/ws/connect', '/graphql']) {
      const raw = await open(path)
      for (const frame of sent) raw.socket.write(frame)
      expect(await raw.closeCode()).toBe(code)
      raw.socket.destroy()
      await raw.ended
    }
    expect(await client.request('ping')).toMatchObject({ type: 'heartbeat' })
    expect(await partner.request('ping')).toMatchObject({ type: 'heartbeat' })
  })

  test('a good message in fragments, with a ping between them, is read', async () => {
    const raw = await open()
    const [first, ...rest] = pieces('{"type":"ping","message_id":"字"}', 7)
    raw.socket.write(first as Buffer)
    raw.socket.write(clientFrame(OPCODE.ping, 'are you there'))
    for (const piece of rest) raw.socket.write(piece)
    const answer = await raw.inbox.next(({ payload }) => payload.includes('heartbeat'))
    expect(JSON.parse(answer.payload.toString())).toMatchObject({ type: 'heartbeat', message_id: '字' })
    expect((await raw.inbox.next(({ opcode }) => opcode === OPCODE.pong)).payload.toString()).toBe('are you there')
    raw.socket.destroy()
    await raw.ended
  })

  test('what is exactly MAX_FRAME_BYTES long is read', async () => {
    const padding = 65_536 - Buffer.byteLength(JSON.stringify({ type: 'ping', data: '', message_id: 'full' }))
    client.send({ type: 'ping', data: 'x'.repeat(padding), message_id: 'full' })
    expect(await client.inbox.next()).toMatchObject({ type: 'heartbeat', message_id: 'full' })
  })

  test('a reset in the middle of a frame disturbs nobody', async () => {
    const raw = await open()
    raw.socket.write(clientFrame(OPCODE.text, long).subarray(0, 1000))
    raw.socket.resetAndDestroy()
    await raw.ended
    expect(await client.request('ping')).toMatchObject({ type: 'heartbeat' })
    expect(app.logged.filter(({ level }) => Number(level) >= 40)).toEqual([])
  })
})

describe('many refusals in a row', () => {
  const openAs = async (user: TestUser, path: '/ws/connect' | '/graphql'): Promise<RawSocket> =>
    await openRawSocket(app.port, path, {
      Authorization: `Bearer ${tokenOf({ userId: user.id, name: user.name })}`,
      ...(path === '/graphql' ? { 'Sec-WebSocket-Protocol': 'graphql-transport-ws' } : {}),
    })
  const repeated = (text: string, count: number): Buffer =>
    Buffer.concat(Array.from({ length: count }, () => clientFrame(OPCODE.text, text)))
  /** The texts of all frames up to the close frame, and its code. */
  const untilClosed = async (raw: RawSocket): Promise<{ texts: string[]; code: number }> => {
    const texts: string[] = []
    for (;;) {
      const { opcode, payload } = await raw.inbox.next()
      if (opcode === OPCODE.close) {
        raw.socket.destroy()
        return { texts, code: payload.readUInt16BE(0) }
      }
      if (opcode === OPCODE.text) texts.push(payload.toString())
    }
  }

  test('are answered, and then the socket is closed with 4429; another one is served between them', async () => {
    const raw = await openAs(await app.user(), '/ws/connect')
    await raw.inbox.next()
    raw.socket.write(repeated('{}', 8192))
    await raw.inbox.next()
    expect(await client.request('ping')).toMatchObject({ type: 'heartbeat' })
    expect(raw.inbox.drain().length).toBeLessThan(900)
    const { texts, code } = await untilClosed(raw)
    expect(code).toBe(4429)
    expect(new Set(texts.map((text) => (JSON.parse(text) as Frame).code))).toEqual(new Set([400]))
  })

  test('are answered to the last before the close', async () => {
    const raw = await openAs(await app.user(), '/ws/connect')
    await raw.inbox.next()
    raw.socket.write(repeated(JSON.stringify({ type: 'message_read', data: { message_id: 1 } }), 1))
    raw.socket.write(repeated('{}', 1500))
    const { texts, code } = await untilClosed(raw)
    expect([code, texts.length]).toEqual([4429, 1001])
    expect(JSON.parse(texts[0] as string)).toMatchObject({ msg: READ })
  })

  test('with accepted requests between them leave the socket open', async () => {
    const raw = await openAs(await app.user(), '/ws/connect')
    await raw.inbox.next()
    raw.socket.write(Buffer.concat(Array.from({ length: 200 }, () => [repeated('{', 10), repeated('{"type":"ping"}', 1)]).flat()))
    expect((await raw.inbox.take(2200)).every(({ opcode }) => opcode === OPCODE.text)).toBe(true)
    raw.socket.destroy()
  })

  test.each([
    ['documents that are no GraphQL', (n: number) => ({ id: String(n), type: 'subscribe', payload: { query: '{' } }), 'error'],
    ['complete of nothing', () => ({ id: 'x', type: 'complete' }), undefined],
  ])('close a graphql-ws socket with 4429: %s', async (_, frame, answer) => {
    const raw = await openAs(await app.user(), '/graphql')
    raw.socket.write(clientFrame(OPCODE.text, '{"type":"connection_init"}'))
    await raw.inbox.next()
    for (let n = 0; n < 1100; n++) raw.socket.write(clientFrame(OPCODE.text, JSON.stringify(frame(n))))
    const { texts, code } = await untilClosed(raw)
    expect(code).toBe(4429)
    expect(texts.map((text) => (JSON.parse(text) as { type: string }).type)).toEqual(answer ? texts.map(() => answer) : [])
    if (answer) expect(texts.length).toBeGreaterThan(990)
  })

  test('a client that sends without reading is no longer read, and gets every answer once it reads', async () => {
    const raw = await openAs(await app.user(), '/graphql')
    raw.socket.write(clientFrame(OPCODE.text, '{"type":"connection_init"}'))
    await raw.inbox.next()
    raw.socket.pause()
    const payload = { text: 'x'.repeat(60_000) }
    const count = 300
    const frame = clientFrame(OPCODE.text, JSON.stringify({ type: 'ping', payload }))
    for (let n = 0; n < count; n++) raw.socket.write(frame)
    // More than the kernel takes: the server has to leave some of it unread.
    for (let n = 0; n < 50; n++) expect(await client.request('ping')).toMatchObject({ type: 'heartbeat' })
    expect(raw.socket.writableLength).toBeGreaterThan(0)
    raw.socket.resume()
    // The server's own pings may come in between.
    for (let n = 0; n < count; n++) {
      const { payload: answer } = await raw.inbox.next(({ opcode }) => opcode === OPCODE.text)
      expect(answer.length).toBeGreaterThan(60_000)
    }
    raw.socket.destroy()
  })
})

test.each(['x', '-1', '1.5', '9'.repeat(20), '1, 2'])(
  'the handshake with Last-Event-ID %j is refused with 400',
  async (cursor) => {
    const refused: unknown = await app
      .legacy(world.ann, { headers: { 'last-event-id': cursor } })
      .catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(RefusedError)
    const { status, body } = refused as RefusedError
    expect(status).toBe(400)
    const { details } = (JSON.parse(body) as Frame).data as { details: { error: string } }
    expect(body).toBe(JSON.stringify({ type: 'error', code: 400, msg: RESUME, data: { code: 400, message: RESUME, details } }))
    expect(details.error).toBe(`Last-Event-ID is ${JSON.stringify(cursor)}, expected a string of 1 to 19 decimal digits`)
  },
)
