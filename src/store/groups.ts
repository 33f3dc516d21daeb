import { epochMs, NO_LIMIT, pageAfter, type Db } from './database/sql.ts'

export type Role = 'OWNER' | 'ADMIN' | 'MEMBER'

export interface GroupRecord {
  id: number
  conversationId: string
  name: string
  avatar: string | null
  announcement: string | null
  joinApprovalRequired: boolean
  allowInvitation: boolean
  allowSendMessages: boolean
  memberCount: number
}

export type GroupInfo = Pick<
  GroupRecord,
  'name' | 'avatar' | 'announcement' | 'joinApprovalRequired' | 'allowInvitation' | 'allowSendMessages'
>

export function createGroupStore(db: Db) {
  const select = {
    id: true,
    conversationId: true,
    name: true,
    avatar: true,
    announcement: true,
    joinApprovalRequired: true,
    allowInvitation: true,
    allowSendMessages: true,
    memberCount: true,
  } as const

  return {
    /** Open groups by id. */
    async byIds(ids: readonly number[]): Promise<Map<number, GroupRecord>> {
      const rows = await db.$queryRaw<GroupRecord[]>`
        SELECT id, conversation_id AS "conversationId", name, avatar, announcement, join_approval_required AS "joinApprovalRequired",
          allow_invitation AS "allowInvitation", allow_send_messages AS "allowSendMessages", member_count AS "memberCount"
        FROM groups WHERE id = ANY(${[...ids]}::int[]) AND closed_at IS NULL`
      return new Map(rows.map((row) => [row.id, row]))
    },

    /** The users' roles in a group, by user id; who is not a member is left out. */
    async roles(groupId: number, userIds: readonly number[]): Promise<Map<number, Role>> {
      const rows = await db.$queryRaw<{ userId: number; role: Role }[]>`
        SELECT m.user_id AS "userId", m.role::text AS role FROM groups g CROSS JOIN unnest(${[...userIds]}::int[]) AS k(id)
        CROSS JOIN LATERAL (SELECT user_id, role FROM members WHERE conversation_id = g.conversation_id AND user_id = k.id LIMIT 1) m
        WHERE g.id = ${groupId} AND g.closed_at IS NULL`
      return new Map(rows.map((row) => [row.userId, row.role]))
    },

    /** The user's roles in several groups, by group id. */
    async rolesOf(userId: number, groupIds: readonly number[]): Promise<Map<number, Role>> {
      const rows = await db.$queryRaw<{ id: number; role: Role }[]>`
        SELECT g.id, m.role::text AS role FROM groups g JOIN members m ON m.conversation_id = g.conversation_id
        WHERE m.user_id = ${userId} AND g.id = ANY(${[...groupIds]}::int[]) AND g.closed_at IS NULL`
      return new Map(rows.map((row) => [row.id, row.role]))
    },

    /** Creates a group without members, its conversation `group_<id>` and its topic. */
    async create(info: GroupInfo): Promise<GroupRecord> {
      const [row] = await db.$queryRaw<{ id: number }[]>`
        WITH new_id AS (SELECT nextval('groups_id_seq')::int AS id),
        conversation AS (INSERT INTO conversations (id, is_group, created_at) SELECT 'group_' || id, true, date_trunc('milliseconds', now()) FROM new_id),
        topic AS (INSERT INTO topics (name) SELECT 'group:' || id FROM new_id)
        INSERT INTO groups (id, conversation_id, name, avatar, announcement, join_approval_required, allow_invitation, allow_send_messages, member_count)
        SELECT id, 'group_' || id, ${info.name}, ${info.avatar}, ${info.announcement}, ${info.joinApprovalRequired}, ${info.allowInvitation}, ${info.allowSendMessages}, 0
        FROM new_id RETURNING id`
      const id = (row as { id: number }).id
      return { id, conversationId: `group_${id}`, ...info, memberCount: 0 }
    },

    async update(id: number, info: Partial<GroupInfo>): Promise<GroupRecord> {
      return await db.group.update({ where: { id }, data: info, select })
    },

    /** Adds members who are not in yet; `sinceSeq` tells for each from where in the group's topic events are theirs. */
    async addMembers(
      group: GroupRecord,
      members: readonly { userId: number; role: Role; sinceSeq: number }[],
    ): Promise<GroupRecord> {
      const userIds = members.map(({ userId }) => userId)
      await db.joinRequest.deleteMany({ where: { groupId: group.id, userId: { in: userIds } } })
      await db.member.createMany({ data: members.map((member) => ({ ...member, conversationId: group.conversationId })) })
      return await db.group.update({ where: { id: group.id }, data: { memberCount: { increment: members.length } }, select })
    },

    /** Ends a membership and keeps until when events were the user's; the group is closed with its last member. */
    async removeMember(group: GroupRecord, userId: number, topic: string, untilSeq: number): Promise<GroupRecord> {
      const { sinceSeq } = await db.member.delete({
        where: { conversationId_userId: { conversationId: group.conversationId, userId } },
        select: { sinceSeq: true },
      })
      await db.pastMembership.create({ data: { userId, topic, sinceSeq, untilSeq } })
      const left = await db.group.update({ where: { id: group.id }, data: { memberCount: { decrement: 1 } }, select })
      if (left.memberCount === 0) await db.group.update({ where: { id: group.id }, data: { closedAt: new Date() } })
      return left
    },

    async setRole(group: GroupRecord, userId: number, role: Role): Promise<void> {
      await db.member.update({
        where: { conversationId_userId: { conversationId: group.conversationId, userId } },
        data: { role },
      })
    },

    async addJoinRequests(groupId: number, userIds: readonly number[]): Promise<void> {
      await db.joinRequest.createMany({ data: userIds.map((userId) => ({ groupId, userId })), skipDuplicates: true })
    },

    /** Takes a join request away; false where there was none. */
    async takeJoinRequest(groupId: number, userId: number): Promise<boolean> {
      const { count } = await db.joinRequest.deleteMany({ where: { groupId, userId } })
      return count > 0
    },

    /** Who waits to join, earliest first, at most `limit`. */
    async joinRequests(groupIds: readonly number[], limit = NO_LIMIT): Promise<Map<number, number[]>> {
      const rows = await db.$queryRaw<{ groupId: number; userId: number }[]>`
        SELECT group_id AS "groupId", user_id AS "userId" FROM join_requests WHERE group_id = ANY(${[...groupIds]}::int[])
        ORDER BY created_at, user_id LIMIT ${limit}`
      const requests = new Map(groupIds.map((id): [number, number[]] => [id, []]))
      for (const { groupId, userId } of rows) requests.get(groupId)?.push(userId)
      return requests
    },

    /** Members of a group by user id, those above `after`. */
    async members(groupId: number, after: number, limit: number): Promise<{ userId: number; role: Role; joinedAt: number }[]> {
      return await db.$queryRaw`
        SELECT m.* FROM groups g CROSS JOIN unnest(ARRAY[${after}]::int[]) AS k(after) CROSS JOIN LATERAL (
          SELECT user_id AS "userId", role::text AS role, ${epochMs('joined_at')} AS "joinedAt" FROM members
          WHERE ${pageAfter('conversation_id', 'user_id', 'g.conversation_id', 'k.after')} LIMIT ${limit}
        ) m WHERE g.id = ${groupId} ORDER BY m."userId"`
    },
  }
}
