import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ValidationError, parseImportLine } from '../../src/chat/import/lines.ts'
import { type Line, LineReader } from '../../src/cli/line-reader.ts'
import { clockTime, createProgress } from '../../src/cli/terminal.ts'

const parse = (line: object, offset = 0) => parseImportLine(JSON.stringify(line), offset)

const message = { type: 'message', id: 1, session_id: 'c', sender_id: 2, content: 'x', timestamp: '2021-01-01T00:00:00Z' }
const group = { type: 'group', id: 7, name: 'G', members: [{ user_id: 1, role: 'owner' }] }

describe('a line', () => {
  test('gives what it holds, with defaults; null counts as absent', () => {
    expect(parse({ ...message, media_url: null, message_type: null, timestamp: '2021-01-01T02:00:00.5+02:00' }).value).toEqual({
      id: 1,
      conversationId: 'c',
      senderId: 2,
      isGroup: false,
      content: 'x',
      messageType: 'text',
      mediaUrl: null,
      at: '2021-01-01T00:00:00.500Z',
      key: null,
      editedAt: null,
      deletedAt: null,
      deletedById: null,
      replyToId: null,
      mentionIds: null,
      mentionsAll: false,
    })
    const became = { deleted_at: '2021-01-01T02:00:00Z', content: '', reply_to_id: 1, mention_ids: [3], mention_all: true }
    expect(parse({ ...message, ...became, is_group: true }, 100).value).toMatchObject({
      content: '',
      replyToId: 101,
      mentionIds: [3],
      mentionsAll: true,
    })
    expect(parse(group).value).toMatchObject({ conversationId: 'group_7', allowInvitation: true, members: [{ role: 'OWNER' }] })
    expect(parse({ type: 'conversation', id: 'direct_1_2', user_ids: [2, 1] }).value).toMatchObject({ low: 1, high: 2 })
  })

  test('adds the offset to the ids of group messages only', () => {
    expect(parse({ ...message, is_group: true }, 100).value).toMatchObject({ id: 101 })
    expect(parse(message, 100).value).toMatchObject({ id: 1 })
    expect(parse({ type: 'receipt', message_id: 5, is_group: true, reader_id: 1 }, 100).value).toMatchObject({ messageId: 105 })
  })

  test.each([
    ['an array', [], 'not a JSON object'],
    ['a member that is not known', { ...message, recevier_id: 3 }, /^"recevier_id" is not known, expected type, /],
    ['no time', { ...message, timestamp: undefined }, /^timestamp is missing, expected a time such as/],
    ['a time without a zone', { ...message, timestamp: '2021-01-01T00:00:00' }, /^timestamp is .*, expected a time/],
    [
      'a day that is none',
      { ...message, timestamp: '2023-02-30T00:00:00Z' },
      /^timestamp is "2023-02-30T00:00:00Z", expected a time/,
    ],
    ['a year before the first', { ...message, timestamp: '0001-01-01T00:00:00+01:00' }, /^timestamp is .*, expected a time/],
    ['a year after the last', { ...message, timestamp: '9999-12-31T23:59:59-01:00' }, /^timestamp is .*, expected a time/],
    ['an id of text', { ...message, id: '1' }, /^id is "1", expected an integer/],
    ['an id of zero', { ...message, id: 0 }, /^id is 0, expected an integer/],
    ['an id too high', { ...message, id: 2 ** 53 }, /^id is/],
    ['no content', { ...message, content: '' }, /^content is empty/],
    ['a wrong message type', { ...message, message_type: 'Text' }, /^messageType is "Text"|^message_type is "Text"/],
    ['a media URL that is none', { ...message, media_url: 'x' }, /^media_url is "x"/],
    ['is_group of text', { ...message, is_group: 'true' }, /^is_group is "true", expected true or false/],
    ['one user', { type: 'conversation', id: 'c', user_ids: [1, 1] }, /^user_ids: expected the ids of two different users/],
    ['the id of other users', { type: 'conversation', id: 'direct_1_3', user_ids: [1, 2] }, /expected "direct_1_2"$/],
    ['the id of a group', { type: 'conversation', id: 'group_1', user_ids: [1, 2] }, /expected "direct_1_2"$/],
    ['the id of another group', { ...group, conversation_id: 'group_8' }, /expected "group_7"$/],
    ['no owner', { ...group, members: [{ user_id: 1 }] }, /^members: 0 with role "owner", expected 1/],
    ['a member twice', { ...group, members: [{ user_id: 1, role: 'owner' }, { user_id: 1 }] }, /^members: a user comes twice/],
    ['a role that is none', { ...group, members: [{ user_id: 1, role: 'boss' }] }, /^members\[0\]\.role is/],
    ['a reaction with a space', { type: 'reaction', message_id: 1, user_id: 1, reaction: 'a b' }, /^reaction has white space/],
  ])('with %s is refused', (_, line, reason) => {
    expect(() => parse(line)).toThrow(ValidationError)
    expect(() => parse(line)).toThrow(reason)
  })
})

describe('reading lines', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-lines-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const read = async (bytes: Buffer | string, maxLineBytes = 1_000_000): Promise<Line[]> => {
    const path = join(folder, 'file')
    await writeFile(path, bytes)
    const lines: Line[] = []
    for await (const line of new LineReader(path, maxLineBytes).lines()) lines.push(line)
    return lines
  }

  test('of any length, over the ends of chunks, the last without an end', async () => {
    const texts = Array.from({ length: 50 }, (_, n) => `${n}${'王'.repeat(n * 1000)}`)
    const lines = await read(texts.join('\n'))
    expect(lines.map(({ text }) => text?.trimEnd())).toEqual(texts)
    expect(lines.at(-1)?.number).toBe(50)
    expect(await read('')).toEqual([])
  })

  test('passes over what is too long or no UTF-8', async () => {
    const lines = await read(
      Buffer.concat([Buffer.from(`${'x'.repeat(600_000)}\nok\n`), Buffer.from([0xff, 0x0a]), Buffer.from('end')]),
      1000,
    )
    expect(lines).toEqual([
      { number: 1, text: null, problem: 'longer than 1000 bytes' },
      { number: 2, text: 'ok\n', problem: null },
      { number: 3, text: null, problem: 'not UTF-8' },
      { number: 4, text: 'end', problem: null },
    ])
  })

  test('goes on after what was read, and begins anew in a file that was edited there', async () => {
    const path = join(folder, 'file')
    await writeFile(path, 'one\ntwo\nthree\n')
    const first = new LineReader(path, 1000)
    const lines = first.lines()
    await lines.next()
    await lines.next()
    const { offset, number } = first
    const digest = first.digest()
    await lines.return(undefined)
    expect({ offset, number }).toEqual({ offset: 8, number: 2 })

    const second = new LineReader(path, 1000)
    expect(await second.skip(offset, number, digest)).toBe(true)
    expect(await second.lines().next()).toMatchObject({ value: { number: 3, text: 'three\n' } })
    await writeFile(path, 'one\ntwO\nthree\n')
    const third = new LineReader(path, 1000)
    expect(await third.skip(offset, number, digest)).toBe(false)
    expect(await third.lines().next()).toMatchObject({ value: { number: 1, text: 'one\n' } })
  })
})

describe('on a terminal', () => {
  const stream = (isTTY: boolean, columns = 80) => {
    const written: string[] = []
    return {
      written,
      stream: { isTTY, columns, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream,
    }
  }

  test('progress is a bar with rate and time left, elsewhere plain lines', () => {
    for (const isTTY of [true, false]) {
      let now = 0
      const { written, stream: out } = stream(isTTY)
      const progress = createProgress(out, { fraction: 0.2, lines: 200 }, () => now)
      progress.show(0.21, 210, '')
      expect(written).toEqual([])
      now = 10_000
      progress.show(0.6, 600, '  1 bad')
      const text = written.join('')
      expect(text).toContain('60%  600 lines  40/s  0:10 left  1 bad')
      expect(text.startsWith('[##############----------]')).toBe(isTTY)
      progress.print('line 1: not JSON')
      progress.end()
      expect(written.at(-1)).toBe('line 1: not JSON\n')
      expect(written.join('').includes('\u001b')).toBe(isTTY)
    }
    expect([0, 59.6, 3599, 3600].map(clockTime)).toEqual(['0:00', '1:00', '59:59', '1:00:00'])
  })

  test('what a narrow one has no room for is the bar, and one of unknown width counts as wide', () => {
    for (const [columns, expected] of [
      [55, ' 60%  600 lines  40/s  0:10 left'],
      [20, ' 60%  600 lines  40'],
      [0, '[##############----------]  60%  600 lines  40/s  0:10 left'],
    ] as const) {
      let now = 0
      const { written, stream: out } = stream(true, columns)
      const progress = createProgress(out, { fraction: 0.2, lines: 200 }, () => now)
      now = 10_000
      progress.show(0.6, 600, '')
      expect(written).toEqual([expected])
    }
  })
})
