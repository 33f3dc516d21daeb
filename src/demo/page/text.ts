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
  members: (count: number, online: number) => `${count} members, ${online} others online`,
  typing: (names: string) => `${names} is typing…`,
  older: 'Load older messages',
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
  sentFrame: 'sent',
  receivedFrame: 'received',
  became: (title: string) => `Became ${title}`,
  answers: (title: string) => `Answers ${title}`,
  cameFrom: (title: string) => `Came from the event ${title}`,
  variables: 'Variables',
  failed: 'The demo can’t be loaded',
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
  members: (count, online) => `${count} 名成员，其他 ${online} 人在线`,
  typing: (names) => `${names} 正在输入…`,
  older: '加载更早的消息',
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
  sentFrame: '发出',
  receivedFrame: '收到',
  became: (title) => `转换为 ${title}`,
  answers: (title) => `应答 ${title}`,
  cameFrom: (title) => `来自事件 ${title}`,
  variables: '变量',
  failed: '无法加载演示',
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
