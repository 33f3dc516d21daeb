import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import {
  decodeRequest,
  encodeConnectionEstablished,
  encodeError,
  encodeHeartbeat,
  encodeResumed,
  encodeSuccess,
  failureText,
  formatTimestamp,
} from '../../src/legacy-protocol/codec.ts'
import { encodeEvent } from '../../src/legacy-protocol/events.ts'
import type { FeedEvent } from '../../src/legacy-protocol/events.ts'
import { objectSchema, requiredNames } from '../../src/legacy-protocol/fields.ts'
import type { Fields } from '../../src/legacy-protocol/fields.ts'
import { PUSHES, REQUESTS } from '../../src/legacy-protocol/frames.ts'

interface Golden {
  readonly name: string
  readonly direction: 'client' | 'server'
  readonly frame: { readonly type: string; readonly data?: Readonly<Record<string, unknown>> }
}

const golden = (JSON.parse(readFileSync(new URL('../golden/frames.json', import.meta.url), 'utf8')) as { frames: Golden[] })
  .frames
const frameNamed = (name: string) => golden.find((each) => each.name === name)!.frame

const sender = { id: '1', name: '发送者名称', avatar: 'https://media.example/a.png' }
const message = {
  id: '42',
  conversation: { id: 'direct_1_2', isGroup: false, group: null },
  sender,
  content: '消息内容',
  messageType: 'text',
  mediaUrl: 'https://media.example/1.png',
  timestamp: '2023-07-15T11:00:00.999Z',
  deletedAt: null,
  editedAt: null,
  replyToId: null,
  mentions: [],
}
const reaction = { messageId: '42', isGroup: false, userId: '2', reaction: '👍', messageDeleted: false }
const membership = { groupId: '7', user: { id: '2', name: '用户名', avatar: 'https://media.example/u.png' }, memberCount: 3 }
const group = {
  id: '7',
  name: '群聊名称',
  avatar: 'https://media.example/g.png',
  memberCount: 3,
  joinApprovalRequired: true,
  allowInvitation: true,
  allowSendMessages: true,
}
const at = (time: string, id: string | null = '1041') => ({ id, timestamp: `2023-07-15T${time}.999Z` })

/** The event for each golden push. */
const events: Record<string, FeedEvent> = {
  'message_sent push': { __typename: 'MessageSent', ...at('11:00:00'), message },
  'typing push': {
    __typename: 'TypingChanged',
    ...at('10:35:00', null),
    conversationId: 'direct_1_2',
    user: { id: '1', name: '用户名' },
    typing: true,
  },
  'message_read push': { __typename: 'MessageRead', ...at('10:40:00'), messageId: '42', isGroup: false, readerId: '2' },
  'reaction_added push': {
    __typename: 'ReactionAdded',
    ...at('10:45:00'),
    ...reaction,
    reactionCount: 3,
    reactionUserIds: ['1', '2', '3'],
  },
  'reaction_removed push': {
    __typename: 'ReactionRemoved',
    ...at('10:50:00'),
    ...reaction,
    reactionCount: 2,
    reactionUserIds: ['1', '3'],
  },
  'online_status push': {
    __typename: 'OnlineStatusChanged',
    ...at('11:05:01', null),
    userId: '1',
    online: true,
    lastActive: '2023-07-15T11:05:00.123Z',
  },
  'group_updated push': { __typename: 'GroupUpdated', ...at('11:10:00'), announcement: '群公告', group },
  'user_joined_group push': { __typename: 'MemberJoined', ...at('11:15:00'), ...membership },
  'user_left_group push': { __typename: 'MemberLeft', ...at('11:20:00'), ...membership },
  'notification push': {
    __typename: 'NotificationReceived',
    ...at('11:25:00'),
    notification: { notificationType: '通知类型', data: {} },
  },
}

/** The call for each other golden frame. */
const responses: Record<string, string> = {
  connection_established: encodeConnectionEstablished({
    userId: 123,
    connectionId: 'unique-connection-id',
    serverTime: new Date('2023-07-15T10:30:00.999Z'),
  }),
  heartbeat: encodeHeartbeat(undefined),
  'error 400': encodeError({ code: 400, msg: '无效的JSON格式', error: '错误详情' }, undefined),
  'error 401': encodeError({ code: 401, msg: '认证失败', error: '错误详情' }, undefined),
}
for (const type of ['message_sent', 'typing', 'message_read', 'reaction_added', 'reaction_removed'] as const) {
  responses[`${type} success`] = encodeSuccess(type, undefined)
  responses[`${type} failure`] = encodeError({ code: 500, msg: failureText(type), error: '错误详情' }, undefined)
}

describe('golden frames', () => {
  test.each(golden.filter((each) => each.direction === 'server'))('$name', ({ name, frame }) => {
    const event = events[name]
    const durable = event === undefined || event.id === null ? {} : { message_id: event.id }
    const text = event === undefined ? responses[name] : encodeEvent(event)
    expect(text).toBe(JSON.stringify({ ...frame, ...durable }))
  })

  test.each(golden.filter((each) => each.direction === 'client'))('$name', ({ frame }) => {
    expect(decodeRequest(JSON.stringify(frame))).toMatchObject({ ok: true, request: { type: frame.type, echo: undefined } })
  })

  it('has every push of the table, with its fields in order', () => {
    for (const [type, { fields, ...spec }] of Object.entries(PUSHES)) {
      // What belongs to a capability has golden frames of its own.
      if ('needs' in spec) continue
      const data = frameNamed(`${type} push`).data!
      expect(Object.keys(fields)).toEqual(Object.keys(data))
      const problems = Object.entries(fields).map(([name, field]) => field.problem(data[name], name, data))
      expect(problems.filter((problem) => problem !== null)).toEqual([])
    }
  })
})

describe('encoders', () => {
  it('put the echo last', () => {
    expect(encodeHeartbeat('a')).toBe('{"type":"heartbeat","code":200,"msg":"success","data":{},"message_id":"a"}')
    expect(encodeSuccess('heartbeat', 'a')).toBe(encodeHeartbeat('a'))
    expect(encodeSuccess('ping', 'a')).toBe(encodeHeartbeat('a'))
    expect(encodeSuccess('typing', 'é"')).toBe(
      '{"type":"typing","code":200,"msg":"success","data":{"success":true},"message_id":"é\\""}',
    )
    expect(encodeError({ code: 404, msg: 'm', error: 'e' }, 'a')).toBe(
      '{"type":"error","code":404,"msg":"m","data":{"code":404,"message":"m","details":{"error":"e"}},"message_id":"a"}',
    )
  })

  it('answer a resume with its counts', () => {
    expect(encodeResumed({ replayed: 7, complete: true }, undefined)).toBe(
      '{"type":"resume","code":200,"msg":"success","data":{"success":true,"replayed":7,"complete":true}}',
    )
    expect(encodeResumed({ complete: false, replayed: 0 }, 'r')).toBe(
      '{"type":"resume","code":200,"msg":"success","data":{"success":true,"replayed":0,"complete":false},"message_id":"r"}',
    )
  })

  it('name the group last in a group message, and unknown values as null', () => {
    const inGroup = {
      ...message,
      conversation: { id: 'group_7', isGroup: true, group: { id: '7' } },
      sender: { ...sender, avatar: null },
      mediaUrl: null,
    }
    expect(encodeEvent({ __typename: 'MessageSent', ...at('11:00:00'), message: inGroup })).toBe(
      '{"type":"message_sent","code":200,"msg":"success","data":{"id":42,"session_id":"group_7","sender_id":1,' +
        '"sender_name":"发送者名称","sender_avatar":null,"content":"消息内容","message_type":"text","media_url":null,' +
        '"is_group":true,"timestamp":"2023-07-15T11:00:00Z","group_id":7},"message_id":"1041"}',
    )
    expect(Object.keys(PUSHES.message_sent.groupFields)).toEqual([...Object.keys(PUSHES.message_sent.fields), 'group_id'])
  })

  it('keep a group without avatar and announcement complete', () => {
    const bare = { ...group, avatar: null }
    const text = encodeEvent({ __typename: 'GroupUpdated', ...at('11:10:00'), announcement: null, group: bare })!
    expect(JSON.parse(text)).toMatchObject({ data: { data: { avatar: null, announcement: null } } })
  })

  it('do not push ResumeIncomplete', () => {
    expect(encodeEvent({ __typename: 'ResumeIncomplete', ...at('11:00:00', null) })).toBeNull()
  })

  it('keep the largest message id and any event id exact', () => {
    const last = encodeEvent({
      __typename: 'MessageRead',
      ...at('10:40:00', '9223372036854775807'),
      messageId: '9007199254740991',
      isGroup: true,
      readerId: '2147483647',
    })
    expect(last).toContain('"message_id":9007199254740991,')
    expect(last).toContain('"message_id":"9223372036854775807"}')
  })

  it.each([
    ['2023-07-15T10:30:00.999Z', '2023-07-15T10:30:00Z'],
    ['2023-07-15T10:30:00Z', '2023-07-15T10:30:00Z'],
    ['2023-07-15T12:30:00.5+02:00', '2023-07-15T10:30:00Z'],
    [new Date(1_999), '1970-01-01T00:00:01Z'],
    [-1, '1969-12-31T23:59:59Z'],
    [0, '1970-01-01T00:00:00Z'],
  ])('write the time %s as %s', (time, text) => {
    expect(formatTimestamp(time)).toBe(text)
  })
})

const emoji = '👍'
const lone = '\ud83d'
const send = (data: object) => ({ type: 'message_sent', data: { receiver_id: 2, content: 'hi', ...data } })
const ask = (type: string, data: unknown, rest: object = {}) => ({ type, data, ...rest })
const react = (data: object) => ask('reaction_added', { message_id: 42, reaction: emoji, ...data })

const sent = {
  type: 'message_sent',
  echo: undefined,
  isGroup: false,
  conversationId: null,
  receiverId: 2,
  content: 'hi',
  messageType: 'text',
  mediaUrl: null,
}
const sentToGroup = {
  type: 'message_sent',
  echo: undefined,
  isGroup: true,
  conversationId: 'group_7',
  content: 'hi',
  messageType: 'text',
  mediaUrl: null,
}

const good: [name: string, frame: unknown, request: object][] = [
  ['the least message', send({}), sent],
  [
    'nulls as absent',
    { ...send({ conversation_id: null, message_type: null, media_url: null, is_group: null }), message_id: null },
    sent,
  ],
  ['an empty conversation id', send({ conversation_id: '' }), sent],
  ['a conversation id', send({ conversation_id: 'direct_1_2' }), { ...sent, conversationId: 'direct_1_2' }],
  ['a group message', send({ is_group: true, conversation_id: 'group_7' }), sentToGroup],
  ['any receiver for a group', send({ is_group: true, conversation_id: 'group_7', receiver_id: 'x' }), sentToGroup],
  ['a key', { ...send({}), message_id: 'k' }, { ...sent, echo: 'k' }],
  ['a key of 64 characters', { ...send({}), message_id: 'k'.repeat(64) }, { ...sent, echo: 'k'.repeat(64) }],
  ['a key of 64 emoji', { ...send({}), message_id: emoji.repeat(64) }, { ...sent, echo: emoji.repeat(64) }],
  ['5000 letters', send({ content: 'a'.repeat(5000) }), { ...sent, content: 'a'.repeat(5000) }],
  ['5000 emoji', send({ content: emoji.repeat(5000) }), { ...sent, content: emoji.repeat(5000) }],
  ['control characters', send({ content: 'a\n\t\u0001' }), { ...sent, content: 'a\n\t\u0001' }],
  ['no content with media', send({ content: '', media_url: 'http://a/b' }), { ...sent, content: '', mediaUrl: 'http://a/b' }],
  ['an upper case scheme', send({ media_url: 'HTTPS://a/b?c#d' }), { ...sent, mediaUrl: 'HTTPS://a/b?c#d' }],
  [
    'a URL of 2048 characters',
    send({ media_url: 'http://a/'.padEnd(2048, 'b') }),
    { ...sent, mediaUrl: 'http://a/'.padEnd(2048, 'b') },
  ],
  ['a type of 32 characters', send({ message_type: 'a_9'.padEnd(32, 'z') }), { ...sent, messageType: 'a_9'.padEnd(32, 'z') }],
  ['the largest user id', send({ receiver_id: 2147483647 }), { ...sent, receiverId: 2147483647 }],
  ['further members', { ...send({ more: [1] }), extra: {} }, sent],
  [
    'typing',
    ask('typing', { session_id: 's', typing: false }),
    { type: 'typing', echo: undefined, sessionId: 's', typing: false },
  ],
  [
    'a session id of 128 characters',
    ask('typing', { session_id: 's'.repeat(128), typing: true }),
    { type: 'typing', echo: undefined, sessionId: 's'.repeat(128), typing: true },
  ],
  [
    'the largest message id',
    ask('message_read', { message_id: 9007199254740991 }),
    { type: 'message_read', echo: undefined, messageId: 9007199254740991, isGroup: false },
  ],
  [
    'a read in a group',
    ask('message_read', { message_id: 1, is_group: true }, { message_id: 'x' }),
    { type: 'message_read', echo: 'x', messageId: 1, isGroup: true },
  ],
  ['a reaction', react({}), { type: 'reaction_added', echo: undefined, messageId: 42, reaction: emoji, isGroup: false }],
  [
    'a reaction with joiners',
    ask('reaction_removed', { message_id: 42, reaction: '👩‍👩‍👧‍👦1234567', is_group: true }),
    { type: 'reaction_removed', echo: undefined, messageId: 42, reaction: '👩‍👩‍👧‍👦1234567', isGroup: true },
  ],
  ['ping', { type: 'ping' }, { type: 'ping', echo: undefined }],
  ['a ping with any data', { type: 'ping', data: 'x', message_id: 'p' }, { type: 'ping', echo: 'p' }],
  ['heartbeat', { type: 'heartbeat', data: [] }, { type: 'heartbeat', echo: undefined }],
  ['resume from the start', ask('resume', { last_message_id: '0' }), { type: 'resume', echo: undefined, lastMessageId: '0' }],
  [
    'resume from 19 digits',
    ask('resume', { last_message_id: '9'.repeat(19) }),
    { type: 'resume', echo: undefined, lastMessageId: '9'.repeat(19) },
  ],
]

describe('good requests', () => {
  test.each(good)('%s', (_, frame, request) => {
    expect(decodeRequest(JSON.stringify(frame))).toStrictEqual({ ok: true, request })
  })

  test.each([
    ['white space around', ' \r\n{ "type" : "ping" }\t', { type: 'ping', echo: undefined }],
    ['1.0 as an integer', '{"type":"message_read","data":{"message_id":1.0}}', { messageId: 1 }],
    ['1e2 as an integer', '{"type":"message_read","data":{"message_id":1e2}}', { messageId: 100 }],
    ['the last of duplicate members', '{"type":"nope","type":"ping"}', { type: 'ping' }],
    ['escaped surrogate pairs', '{"type":"typing","data":{"session_id":"\\ud83d\\udc4d","typing":true}}', { sessionId: emoji }],
    [
      'a member named __proto__',
      '{"type":"ping","__proto__":{"message_id":"x"},"constructor":1}',
      { type: 'ping', echo: undefined },
    ],
    ['deep nesting', `{"type":"ping","data":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, { type: 'ping' }],
  ])('%s', (_, text, request) => {
    expect(decodeRequest(text)).toMatchObject({ ok: true, request })
  })
})

const SEND = '发送消息失败'
const TYPING = '更新输入状态失败'
const READ = '标记消息已读失败'
const REACT = '添加反应失败'
const RESUME = '恢复失败'
const JSON_ERROR = '无效的JSON格式'
const UNKNOWN = '未知的消息类型'
const MISSING = '缺少必要字段'

/** Frames as JSON text, or as values to make it of. */
const bad: [frame: unknown, msg: string, reason: string][] = [
  ['', JSON_ERROR, 'not valid JSON'],
  ['{', JSON_ERROR, 'not valid JSON'],
  ['{"type":"ping",}', JSON_ERROR, 'not valid JSON'],
  ["{'type':'ping'}", JSON_ERROR, 'not valid JSON'],
  ['\ufeff{"type":"ping"}', JSON_ERROR, 'not valid JSON'],
  ['{"type":"ping"}{"type":"ping"}', JSON_ERROR, 'not valid JSON'],
  ['{"type":"ping","n":NaN}', JSON_ERROR, 'not valid JSON'],
  ['['.repeat(100_000), JSON_ERROR, 'not valid JSON'],
  ['null', JSON_ERROR, 'the frame is null, expected a JSON object'],
  ['[]', JSON_ERROR, 'the frame is an array'],
  ['[{"type":"ping"}]', JSON_ERROR, 'the frame is an array'],
  ['"ping"', JSON_ERROR, 'the frame is the string "ping"'],
  ['42', JSON_ERROR, 'the frame is the number 42'],
  ['true', JSON_ERROR, 'the frame is the boolean true'],
  [{}, MISSING, 'type is missing, expected one of message_sent, '],
  [{ data: {} }, MISSING, 'type is missing'],
  ['{"__proto__":{"type":"ping"}}', MISSING, 'type is missing'],
  [{ type: null }, UNKNOWN, 'type is null'],
  [{ type: 1 }, UNKNOWN, 'type is the number 1'],
  [{ type: ['ping'] }, UNKNOWN, 'type is an array'],
  [{ type: {} }, UNKNOWN, 'type is an object'],
  [{ type: '' }, UNKNOWN, 'type is the string ""'],
  [{ type: 'PING' }, UNKNOWN, 'type is the string "PING"'],
  [{ type: ' ping' }, UNKNOWN, 'type is'],
  [{ type: '__proto__' }, UNKNOWN, 'type is'],
  [{ type: 'constructor' }, UNKNOWN, 'type is'],
  [{ type: 'toString' }, UNKNOWN, 'type is'],
  [{ type: 'connection_established' }, UNKNOWN, 'type is'],
  [{ type: 'error' }, UNKNOWN, 'type is'],
  [{ type: 'online_status' }, UNKNOWN, 'type is'],
  [{ type: 'group_updated' }, UNKNOWN, 'type is'],
  [{ type: 'user_joined_group' }, UNKNOWN, 'type is'],
  [{ type: 'user_left_group' }, UNKNOWN, 'type is'],
  [{ type: 'notification' }, UNKNOWN, 'type is'],
  [{ type: 'x'.repeat(100_000) }, UNKNOWN, `type is the string "${'x'.repeat(40)}…", expected`],
  [{ type: `a${lone}\u0000\u202e` }, UNKNOWN, 'type is the string "a\ufffd\ufffd\ufffd", expected'],
  [{ type: 'ping', message_id: '' }, JSON_ERROR, 'message_id is empty'],
  [{ type: 'ping', message_id: 5 }, JSON_ERROR, 'message_id is the number 5, expected a string'],
  [{ type: 'heartbeat', message_id: {} }, JSON_ERROR, 'message_id is an object, expected a string'],
  [{ ...send({}), message_id: 'k'.repeat(65) }, SEND, 'message_id is longer than 64 characters'],
  [{ ...send({}), message_id: emoji.repeat(65) }, SEND, 'message_id is longer than 64 characters'],
  [{ ...send({}), message_id: 'a\u0000' }, SEND, 'message_id has a NUL character'],
  [{ ...send({}), message_id: lone }, SEND, 'message_id has a NUL character or a lone surrogate'],
  [{ ...send({}), message_id: false }, SEND, 'message_id is the boolean false'],
  [{ type: 'message_sent' }, SEND, 'data is missing, expected an object'],
  [ask('message_sent', null), SEND, 'data is null, expected an object'],
  [ask('message_sent', []), SEND, 'data is an array'],
  [ask('message_sent', '{}'), SEND, 'data is the string "{}"'],
  [ask('message_sent', {}), SEND, 'data.receiver_id is missing, expected an integer of 1 to 2147483647'],
  [send({ receiver_id: null }), SEND, 'data.receiver_id is null'],
  [send({ receiver_id: '2' }), SEND, 'data.receiver_id is the string "2"'],
  [send({ receiver_id: 0 }), SEND, 'data.receiver_id is the number 0'],
  [send({ receiver_id: -1 }), SEND, 'data.receiver_id is the number -1'],
  [send({ receiver_id: 1.5 }), SEND, 'data.receiver_id is the number 1.5'],
  [send({ receiver_id: 2147483648 }), SEND, 'data.receiver_id is the number 2147483648'],
  [send({ receiver_id: true }), SEND, 'data.receiver_id is the boolean true'],
  [send({ is_group: 'true' }), SEND, 'data.is_group is the string "true", expected true or false'],
  [send({ is_group: 1 }), SEND, 'data.is_group is the number 1'],
  [send({ is_group: true }), SEND, 'data.conversation_id is missing, expected a string'],
  [send({ is_group: true, conversation_id: '' }), SEND, 'data.conversation_id is empty'],
  [send({ is_group: true, conversation_id: null }), SEND, 'data.conversation_id is null'],
  [send({ conversation_id: 7 }), SEND, 'data.conversation_id is the number 7'],
  [send({ is_group: true, conversation_id: 'c'.repeat(129) }), SEND, 'data.conversation_id is longer than 128'],
  [send({ conversation_id: 'c\u0000' }), SEND, 'data.conversation_id has a NUL'],
  [send({ content: undefined }), SEND, 'data.content is missing, expected a string'],
  [send({ content: null, media_url: 'http://a/' }), SEND, 'data.content is null'],
  [send({ content: 5 }), SEND, 'data.content is the number 5'],
  [send({ content: '' }), SEND, 'data.content is empty, expected a string of 1 to 5000 characters'],
  [send({ content: '', media_url: null }), SEND, 'data.content is empty'],
  [send({ content: 'a'.repeat(5001) }), SEND, 'data.content is longer than 5000 characters'],
  [send({ content: emoji.repeat(5001) }), SEND, 'data.content is longer than 5000 characters'],
  [send({ content: `${emoji.repeat(2500)}${'a'.repeat(2501)}` }), SEND, 'data.content is longer than 5000 characters'],
  [send({ content: 'a\u0000b' }), SEND, 'data.content has a NUL character'],
  [send({ content: `a${lone}` }), SEND, 'data.content has a NUL character or a lone surrogate'],
  [send({ content: '\udc4d\ud83d' }), SEND, 'data.content has a NUL character or a lone surrogate'],
  [send({ message_type: '' }), SEND, 'data.message_type is ""'],
  [send({ message_type: 'Text' }), SEND, 'data.message_type is "Text"'],
  [send({ message_type: '9a' }), SEND, 'data.message_type is "9a"'],
  [send({ message_type: 'text\n' }), SEND, 'data.message_type is "text\ufffd"'],
  [send({ message_type: 'a'.repeat(33) }), SEND, 'data.message_type is'],
  [send({ message_type: 1 }), SEND, 'data.message_type is the number 1'],
  [send({ media_url: '' }), SEND, 'data.media_url is empty'],
  [send({ media_url: 'a.png' }), SEND, 'data.media_url is "a.png", expected an http or https URL'],
  [send({ media_url: 'ftp://a/b' }), SEND, 'data.media_url is'],
  [send({ media_url: 'javascript:alert(1)' }), SEND, 'data.media_url is'],
  [send({ media_url: 'data:text/html,x' }), SEND, 'data.media_url is'],
  [send({ media_url: 'http:a' }), SEND, 'data.media_url is'],
  [send({ media_url: 'http://' }), SEND, 'data.media_url is'],
  [send({ media_url: 'http://[::' }), SEND, 'data.media_url is'],
  [send({ media_url: 'http://a:99999/' }), SEND, 'data.media_url is'],
  [send({ media_url: ' http://a/' }), SEND, 'data.media_url is'],
  [send({ media_url: 'http://a/ b' }), SEND, 'data.media_url is'],
  [send({ media_url: 'http://a/\n' }), SEND, 'data.media_url is'],
  [send({ media_url: 'http://a/'.padEnd(2049, 'b') }), SEND, 'data.media_url is longer than 2048'],
  [send({ media_url: {} }), SEND, 'data.media_url is an object'],
  [{ type: 'typing' }, TYPING, 'data is missing'],
  [ask('typing', { typing: true }), TYPING, 'data.session_id is missing'],
  [ask('typing', { session_id: '', typing: true }), TYPING, 'data.session_id is empty'],
  [ask('typing', { session_id: 's'.repeat(129), typing: true }), TYPING, 'data.session_id is longer than 128'],
  [ask('typing', { session_id: 's' }), TYPING, 'data.typing is missing, expected true or false'],
  [ask('typing', { session_id: 's', typing: null }), TYPING, 'data.typing is null'],
  [ask('typing', { session_id: 's', typing: 'true' }), TYPING, 'data.typing is the string "true"'],
  [ask('typing', JSON.parse('{"__proto__":{"session_id":"s","typing":true}}')), TYPING, 'data.session_id is missing'],
  [ask('message_read', {}), READ, 'data.message_id is missing, expected an integer of 1 to 9007199254740991'],
  [ask('message_read', { message_id: '42' }), READ, 'data.message_id is the string "42"'],
  [ask('message_read', { message_id: 0 }), READ, 'data.message_id is the number 0'],
  [ask('message_read', { message_id: 2 ** 53 }), READ, 'data.message_id is the number 9007199254740992'],
  ['{"type":"message_read","data":{"message_id":1e999}}', READ, 'data.message_id is the number Infinity'],
  [ask('message_read', { message_id: 42, is_group: 0 }), READ, 'data.is_group is the number 0'],
  [react({ reaction: null }), REACT, 'data.reaction is null'],
  [react({ reaction: '' }), REACT, 'data.reaction is empty'],
  [react({ reaction: 'a b' }), REACT, 'data.reaction has white space'],
  [react({ reaction: 'a\u2028' }), REACT, 'data.reaction has white space'],
  [react({ reaction: '\u0007' }), REACT, 'data.reaction has white space or control characters'],
  [react({ reaction: '\u200d\ufe0f' }), REACT, 'data.reaction has no visible character'],
  [react({ reaction: lone }), REACT, 'data.reaction has a NUL character or a lone surrogate'],
  [react({ reaction: 'a'.repeat(65) }), REACT, 'data.reaction is longer than 64 bytes'],
  [react({ reaction: '字'.repeat(22) }), REACT, 'data.reaction is longer than 64 bytes'],
  [react({ message_id: null }), REACT, 'data.message_id is null'],
  [ask('reaction_removed', {}), '移除反应失败', 'data.message_id is missing'],
  [{ type: 'resume' }, RESUME, 'data is missing'],
  [ask('resume', {}), RESUME, 'data.last_message_id is missing'],
  [ask('resume', { last_message_id: 1041 }), RESUME, 'data.last_message_id is the number 1041, expected a string'],
  [ask('resume', { last_message_id: '' }), RESUME, 'data.last_message_id is ""'],
  [ask('resume', { last_message_id: '-1' }), RESUME, 'data.last_message_id is "-1"'],
  [ask('resume', { last_message_id: '1\n' }), RESUME, 'data.last_message_id is'],
  [ask('resume', { last_message_id: '１' }), RESUME, 'data.last_message_id is'],
  [ask('resume', { last_message_id: '9'.repeat(20) }), RESUME, 'data.last_message_id is'],
]

describe('bad requests', () => {
  test.each(
    bad.map(([frame, msg, reason]) => ({ text: typeof frame === 'string' ? frame : JSON.stringify(frame), msg, reason })),
  )('$reason', ({ text, msg, reason }) => {
    const result = decodeRequest(text)
    expect(result).toMatchObject({ ok: false, code: 400, msg, error: expect.stringContaining(reason) })
    if (result.ok) return
    expect(result.error).not.toMatch(/SyntaxError|Unexpected|JSON\.parse|position|\bat \w+ \(|node:|\.ts\b|undefined|\[object/)
    expect(result.error).not.toMatch(/[\p{Cc}\p{Surrogate}]/u)
    expect(result.error.length).toBeLessThan(250)
  })

  it('are echoed where their message_id is good, and only there', () => {
    expect(decodeRequest('{"message_id":"a"}')).toMatchObject({ ok: false, echo: 'a' })
    expect(decodeRequest('{"type":"x","message_id":"a"}')).toMatchObject({ ok: false, echo: 'a' })
    expect(decodeRequest('{"type":"typing","message_id":"a"}')).toMatchObject({ ok: false, echo: 'a' })
    expect(decodeRequest('{"type":"typing","data":{},"message_id":"a"}')).toMatchObject({ ok: false, echo: 'a' })
    expect(decodeRequest('{"type":"x","message_id":""}')).toMatchObject({ ok: false, echo: undefined })
    expect(decodeRequest('{"type":"x","message_id":7}')).toMatchObject({ ok: false, echo: undefined })
    expect(decodeRequest('{"type":"ping","message_id":[]}')).toMatchObject({ ok: false, echo: undefined })
  })

  it('are answered with the error envelope', () => {
    const result = decodeRequest('{"type":"typing","message_id":"a"}')
    if (result.ok) throw new Error('expected a refusal')
    expect(encodeError(result, result.echo)).toBe(
      '{"type":"error","code":400,"msg":"更新输入状态失败","data":{"code":400,"message":"更新输入状态失败",' +
        '"details":{"error":"data is missing, expected an object"}},"message_id":"a"}',
    )
  })
})

describe('tables', () => {
  it('give a JSON Schema for every field', () => {
    const tables: Fields[] = [...Object.values(REQUESTS), ...Object.values(PUSHES)].flatMap((spec) => [
      spec.fields ?? {},
      'groupFields' in spec ? spec.groupFields : {},
    ])
    for (const fields of tables) {
      const schema = objectSchema(fields, requiredNames(fields))
      expect(JSON.parse(JSON.stringify(schema))).toEqual(schema)
      for (const field of Object.values(fields)) expect(Object.keys(field.schema)).not.toHaveLength(0)
    }
  })

  it('say which fields a request must have', () => {
    expect(requiredNames(REQUESTS.message_sent.fields)).toEqual(['receiver_id', 'content'])
    expect(requiredNames(REQUESTS.message_sent.groupFields)).toEqual(['is_group', 'conversation_id', 'content'])
  })
})
