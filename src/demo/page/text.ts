/** The page's words, in the languages that it speaks. */

const en = {
  locale: 'en-GB',
  title: 'Parley: live demo',
  tagline: 'One chat, two protocols',
  language: 'Language',
  panes: 'Panes',
  left: 'Left',
  right: 'Right',
  user: 'User',
  protocol: 'Protocol',
  legacy: 'Legacy JSON',
  graphql: 'GraphQL',
  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Coming back',
  closed: 'Closed',
  broken: 'Line cut',
  cut: 'Cut the line',
  mend: 'Reconnect',
  conversations: 'Conversations',
  back: 'Back to the conversations',
  choose: 'Choose a conversation',
  noMessages: 'No messages yet',
  messages: (title: string) => `Messages with ${title}`,
  unread: (count: number) => `${count} unread`,
  online: 'online',
  offline: 'offline',
  unknown: 'unknown while you are not connected',
  members: (count: number, online: number | undefined) =>
    [
      count === 1 ? '1 member' : `${count} members`,
      online !== undefined && (online === 0 ? 'nobody else online' : online === 1 ? '1 other online' : `${online} others online`),
    ]
      .filter(Boolean)
      .join(', '),
  typing: (names: readonly string[]) => `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} typing…`,
  older: 'Load older messages',
  chooseHint: 'Everybody in the list can be written to.',
  loading: 'Loading…',
  emptyTitle: (title: string) => `This is the beginning of your conversation with ${title}`,
  emptyHint: 'What you write arrives at once, whichever protocol the other side speaks.',
  greet: 'Say hello 👋',
  greeting: 'Hello! 👋',
  counted: (count: number, limit: number) => `${count.toLocaleString('en-GB')} of ${limit.toLocaleString('en-GB')} characters`,
  tooLong: (excess: number, limit: number) =>
    `${excess === 1 ? '1 character' : `${excess.toLocaleString('en-GB')} characters`} too many: a message has at most ${limit.toLocaleString('en-GB')}`,
  write: (title: string) => `Write to ${title}`,
  send: 'Send',
  sending: 'on its way…',
  again: 'Send again',
  sent: 'Sent, not read yet',
  readBy: (names: string) => `Read by ${names}`,
  react: 'Add a reaction',
  reaction: (reaction: string, names: string) => `${reaction} by ${names}`,
  reactWith: (reaction: string) => `React with ${reaction}`,
  you: 'You',
  late: 'resumed',
  resumed: (count: number, after: string) => `${count === 1 ? '1 event' : `${count} events`} resumed after ${after}`,
  gap: 'More was missed than can be resumed: the history was loaded again',
  frames: 'Frames',
  noFrames: 'Nothing has passed yet',
  clear: 'Clear',
  larger: 'Larger',
  smaller: 'Smaller',
  sentFrame: 'sent',
  receivedFrame: 'received',
  became: (title: string) => `Became ${title}`,
  answers: (title: string) => `Answers ${title}`,
  cameFrom: (title: string) => `Came from the event ${title}`,
  variables: 'Variables',
  event: 'The event',
  failed: 'The demo can’t be loaded',
  guide: 'Three steps to try',
  steps: [
    'Write a message on either side: it arrives on the other, over the other protocol.',
    'Cut the line of one side, then write on the other.',
    'Reconnect: what was missed comes in order, each message once.',
  ] as readonly string[],
  play: 'Show me',
  playing: 'Playing…',
  playAgain: 'Show me again',
  tour: {
    hello: (protocol: string) => `Hello over ${protocol} 👋`,
    answer: (protocol: string) => `Hello back, over ${protocol} 🎉`,
    missed: ['Your line is cut: this waits for you', 'And so does this'] as readonly [string, string],
  },
}

export type Text = typeof en

const zh: Text = {
  locale: 'zh-CN',
  title: 'Parley：在线演示',
  tagline: '同一聊天，两种协议',
  language: '语言',
  panes: '窗格',
  left: '左侧',
  right: '右侧',
  user: '用户',
  protocol: '协议',
  legacy: '旧版 JSON',
  graphql: 'GraphQL',
  connecting: '连接中',
  open: '已连接',
  waiting: '等待重连',
  closed: '已关闭',
  broken: '线路已断',
  cut: '切断线路',
  mend: '重新连接',
  conversations: '会话',
  back: '返回会话列表',
  choose: '请选择会话',
  noMessages: '还没有消息',
  messages: (title) => `与${title}的消息`,
  unread: (count) => `${count} 条未读`,
  online: '在线',
  offline: '离线',
  unknown: '你未连接，状态未知',
  members: (count, online) =>
    online === undefined
      ? `${count} 名成员`
      : online === 0
        ? `${count} 名成员，其他人都不在线`
        : `${count} 名成员，其他 ${online} 人在线`,
  typing: (names) => `${names.join('、')} 正在输入…`,
  older: '加载更早的消息',
  chooseHint: '列表中的每个人都可以联系。',
  loading: '加载中…',
  emptyTitle: (title) => `你与${title}的会话从这里开始`,
  emptyHint: '无论对方使用哪种协议，消息都会立即送达。',
  greet: '打个招呼 👋',
  greeting: '你好！👋',
  counted: (count, limit) => `${count} / ${limit} 个字符`,
  tooLong: (excess, limit) => `超出 ${excess} 个字符：每条消息最多 ${limit} 个字符`,
  write: (title) => `发消息给${title}`,
  send: '发送',
  sending: '发送中…',
  again: '重新发送',
  sent: '已发送，尚未读',
  readBy: (names) => `${names} 已读`,
  react: '添加表情',
  reaction: (reaction, names) => `${reaction}：${names}`,
  reactWith: (reaction) => `用 ${reaction} 回应`,
  you: '我',
  late: '补发',
  resumed: (count, after) => `已从 ${after} 之后补发 ${count} 个事件`,
  gap: '错过的事件过多，无法补发：已重新加载历史',
  frames: '数据帧',
  noFrames: '还没有数据帧',
  clear: '清空',
  larger: '展开',
  smaller: '收起',
  sentFrame: '发出',
  receivedFrame: '收到',
  became: (title) => `转换为 ${title}`,
  answers: (title) => `应答 ${title}`,
  cameFrom: (title) => `来自事件 ${title}`,
  variables: '变量',
  event: '事件内容',
  failed: '无法加载演示',
  guide: '三步体验',
  steps: [
    '在任意一侧发送消息：它会通过另一种协议到达另一侧。',
    '切断一侧的线路，然后在另一侧继续发送。',
    '重新连接：错过的消息按顺序补发，每条只有一次。',
  ],
  play: '演示给我看',
  playing: '演示中…',
  playAgain: '再演示一次',
  tour: {
    hello: (protocol) => `你好，这条消息通过${protocol}发送 👋`,
    answer: (protocol) => `收到，这条回复通过${protocol}发送 🎉`,
    missed: ['你的线路已断：这条消息在等你', '这条也是'],
  },
}

export const LANGUAGES = { en: { name: 'English', tag: 'en', text: en }, zh: { name: '中文', tag: 'zh-CN', text: zh } } as const

export type Language = keyof typeof LANGUAGES

const KEPT = 'parley-demo-language'
const isLanguage = (value: string | null): value is Language => value !== null && Object.hasOwn(LANGUAGES, value)

/** The language that was chosen the last time, else the browser's. */
export function preferredLanguage(): Language {
  const kept = localStorage.getItem(KEPT)
  if (isLanguage(kept)) return kept
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

export const keepLanguage = (language: Language): void => localStorage.setItem(KEPT, language)
