import type { Chat } from '../chat/chat.ts'

export interface DemoUser {
  readonly id: number
  readonly name: string
}

const [ALICE, BEN, MING, DANA] = [
  { id: 1, name: 'Alice Martin' },
  { id: 2, name: 'Ben Okafor' },
  { id: 3, name: '王明' },
  { id: 4, name: 'Dana Levy' },
] as const

/** The demo's users; a token is printed for each. */
export const DEMO_USERS: readonly DemoUser[] = [ALICE, BEN, MING, DANA]
/** Also in the demo's group, so that GraphiQL shows its events. */
export const DEMO_ADMIN: DemoUser & { readonly isAdmin: true } = { id: 100, name: 'Admin', isAdmin: true }

/** Wrote to Dana, who reported it, and was banned: what admins have to look at. Has no token. */
const BOT: DemoUser = { id: 6, name: 'Rob Bot' }

interface Line {
  from: DemoUser
  text: string
  reactions?: Record<string, readonly DemoUser[]>
}

interface Talk {
  /** The pair of a direct conversation; null for the group. */
  pair: readonly [DemoUser, DemoUser] | null
  lines: readonly Line[]
  /** How many of the lines each user has read; a user not named has read nothing. */
  read: readonly (readonly [DemoUser, number])[]
}

const TALKS: readonly Talk[] = [
  {
    pair: null,
    lines: [
      { from: ALICE, text: 'Hi all! This is the group for the spring trip.', reactions: { '👋': [BEN] } },
      { from: ALICE, text: 'Which weekend suits you?' },
      { from: MING, text: '四月的第二个周末怎么样？' },
      { from: DANA, text: 'The second weekend of April works for me.', reactions: { '👍': [ALICE, MING] } },
    ],
    read: [
      [ALICE, 4],
      [BEN, 3],
    ],
  },
  {
    pair: [ALICE, BEN],
    lines: [
      { from: ALICE, text: 'Hi Ben, can you drive in April?' },
      { from: BEN, text: 'Sure, there is room for four in my car.', reactions: { '🎉': [ALICE] } },
      { from: BEN, text: 'Shall I book a parking space as well?' },
      { from: ALICE, text: 'Yes please, thank you!' },
    ],
    read: [[ALICE, 3]],
  },
  {
    pair: [ALICE, MING],
    lines: [
      { from: MING, text: '你好 Alice，我可以带相机吗？' },
      { from: ALICE, text: 'Of course, please bring the camera!' },
      { from: MING, text: '太好了，谢谢 😊' },
    ],
    read: [[ALICE, 1]],
  },
]

/**
 * Inserts the demo data; false if it exists or the users' ids belong to others. Completes what a killed start left unfinished.
 */
export async function seedDemo(chat: Chat): Promise<boolean> {
  // The last step: if it is done, all others are.
  if ((await chat.reads.notificationPage(ALICE.id, undefined, 1)).length > 0) return false
  const users = [...DEMO_USERS, DEMO_ADMIN, BOT]
  const stored = await chat.reads.users(users.map(({ id }) => id))
  if (users.some(({ id, name }) => (stored.get(id)?.name ?? name) !== name)) return false

  await Promise.all(users.map(({ id, name }) => chat.users.upsert({ id, name, avatar: undefined })))
  const groupId = (await findGroup(chat)) ?? (await createGroup(chat))
  const sent = await sendAll(chat, groupId)
  for (const [index, { lines, read }] of TALKS.entries()) {
    const messages = sent[index] ?? []
    for (const [reader, count] of read) {
      const last = messages[count - 1]
      if (last) await chat.receipts.markConversation(reader.id, last.conversationId, last.id)
    }
    for (const [at, { reactions = {} }] of lines.entries()) {
      for (const [reaction, givers] of Object.entries(reactions)) {
        for (const giver of givers) await chat.reactions.add(giver.id, messages[at]?.id ?? 0, reaction)
      }
    }
  }
  await moderate(chat)
  await chat.republish.systemNotification(
    'welcome',
    { title: 'Welcome to the demo', text: 'Everything here may be changed; nothing of it matters.' },
    [...DEMO_USERS, DEMO_ADMIN].map(({ id }) => id),
  )
  return true
}

/** A report that waits for an admin, and a ban. */
async function moderate(chat: Chat): Promise<void> {
  const spam = { conversationId: null, receiverId: DANA.id, isGroup: false, messageType: 'text', mediaUrl: null }
  const { id } = await chat.messages.send(BOT.id, { ...spam, content: 'Watches, half price, today only!', key: 'demo-spam' })
  await chat.moderation.report(DANA.id, id, 'I do not know this user')
  const reason = 'sells watches'
  const entry = { actorId: DEMO_ADMIN.id, action: 'banUser', targetType: 'User', targetId: String(BOT.id) }
  await chat.moderation.ban(DEMO_ADMIN.id, BOT.id, undefined, reason, (tx) =>
    tx.audit.add({ ...entry, details: { until: null, reason } }),
  )
}

async function findGroup(chat: Chat): Promise<number | undefined> {
  const conversations = await chat.reads.conversationPage(ALICE.id, undefined, 100)
  return conversations.find(({ isGroup }) => isGroup)?.groupId ?? undefined
}

async function createGroup(chat: Chat): Promise<number> {
  const members = [...DEMO_USERS.slice(1), DEMO_ADMIN].map(({ id }) => id)
  const { id } = await chat.groups.create(
    ALICE.id,
    {
      name: 'Spring trip',
      avatar: null,
      announcement: 'Second weekend of April. Bring warm clothes.',
      joinApprovalRequired: false,
      allowInvitation: true,
      allowSendMessages: true,
      historyVisible: true,
    },
    members,
  )
  return id
}

/** Sends each conversation's lines in order, the conversations concurrently. */
async function sendAll(chat: Chat, groupId: number): Promise<{ id: number; conversationId: string }[][]> {
  const send = ({ pair }: Talk, { from, text }: Line, key: string) =>
    chat.messages.send(from.id, {
      conversationId: pair === null ? `group_${groupId}` : null,
      receiverId: pair?.find((user) => user !== from)?.id ?? null,
      isGroup: pair === null,
      content: text,
      messageType: 'text',
      mediaUrl: null,
      key,
    })
  return await Promise.all(
    TALKS.map(async (talk, index) => {
      const messages = []
      for (const [at, line] of talk.lines.entries()) {
        const message = send(talk, line, `demo-${index + 1}-${at + 1}`)
        messages.push(message)
        // A sender's messages keep their order without waiting, and share a batch.
        if (talk.lines[at + 1]?.from !== line.from) await message
      }
      return await Promise.all(messages)
    }),
  )
}
