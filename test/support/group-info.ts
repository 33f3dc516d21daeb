import type { GroupInfo } from '../../src/store/groups.ts'

/** A group that anybody may join and that shows new members its history. */
export const GROUP_INFO: GroupInfo = {
  name: 'Group',
  avatar: null,
  announcement: null,
  joinApprovalRequired: false,
  allowInvitation: true,
  allowSendMessages: true,
  historyVisible: true,
}
