import { epochMs, NO_LIMIT, pageAfter, pageBefore, recordset, type Db } from './database/sql.ts'

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
  /** Whether new members may read what was sent before they joined. */
  historyVisible: boolean
  memberCount: number
}

export type GroupInfo = Pick<
  GroupRecord,
  'name' | 'avatar' | 'announcement' | 'joinApprovalRequired' | 'allowInvitation' | 'allowSendMessages' | 'historyVisible'
>

export class GroupStore {
  readonly #db: Db
  readonly #select = {
    id: true,
    conversationId: true,
    name: true,
    avatar: true,
    announcement: true,
    joinApprovalRequired: true,
    allowInvitation: true,
    allowSendMessages: true,
    historyVisible: true,
    memberCount: true,
  } as const

  constructor(db: Db) {
    this.#db = db
  }

  /** Open groups by id. */
  async byIds(ids: readonly number[]): Promise<Map<number, GroupRecord>> {
    const rows = await this.#db.$queryRaw<GroupRecord[]>`
        SELECT id, conversation_id AS "conversationId", name, avatar, announcement, join_approval_required AS "joinApprovalRequired",
          allow_invitation AS "allowInvitation", allow_send_messages AS "allowSendMessages", history_visible AS "historyVisible",
          member_count AS "memberCount"
        FROM groups WHERE id = ANY(${[...ids]}::int[]) AND closed_at IS NULL`
    return new Map(rows.map((row) => [row.id, row]))
  }

  /** The users' roles in a group, by user id; non-members are left out. */
  async roles(groupId: number, userIds: readonly number[]): Promise<Map<number, Role>> {
    const rows = await this.#db.$queryRaw<{ userId: number; role: Role }[]>`
        SELECT m.user_id AS "userId", m.role::text AS role FROM groups g CROSS JOIN unnest(${[...userIds]}::int[]) AS k(id)
        CROSS JOIN LATERAL (SELECT user_id, role FROM members WHERE conversation_id = g.conversation_id AND user_id = k.id LIMIT 1) m
        WHERE g.id = ${groupId} AND g.closed_at IS NULL`
    return new Map(rows.map((row) => [row.userId, row.role]))
  }

  /** The user's roles in several groups, by group id. */
  async rolesOf(userId: number, groupIds: readonly number[]): Promise<Map<number, Role>> {
    const rows = await this.#db.$queryRaw<{ id: number; role: Role }[]>`
        SELECT g.id, m.role::text AS role FROM groups g JOIN members m ON m.conversation_id = g.conversation_id
        WHERE m.user_id = ${userId} AND g.id = ANY(${[...groupIds]}::int[]) AND g.closed_at IS NULL`
    return new Map(rows.map((row) => [row.id, row.role]))
  }

  /** Creates a group without members, its conversation `group_<id>` and its topic. */
  async create(info: GroupInfo): Promise<GroupRecord> {
    const [row] = await this.#db.$queryRaw<{ id: number }[]>`
        WITH new_id AS (SELECT nextval('groups_id_seq')::int AS id),
        conversation AS (INSERT INTO conversations (id, is_group, created_at) SELECT 'group_' || id, true, date_trunc('milliseconds', now()) FROM new_id),
        topic AS (INSERT INTO topics (name) SELECT 'group:' || id FROM new_id)
        INSERT INTO groups (id, conversation_id, name, avatar, announcement, join_approval_required, allow_invitation, allow_send_messages, history_visible, member_count)
        SELECT id, 'group_' || id, ${info.name}, ${info.avatar}, ${info.announcement}, ${info.joinApprovalRequired}, ${info.allowInvitation}, ${info.allowSendMessages}, ${info.historyVisible}, 0
        FROM new_id RETURNING id`
    const id = (row as { id: number }).id
    return { id, conversationId: `group_${id}`, ...info, memberCount: 0 }
  }

  async update(id: number, info: Partial<GroupInfo>): Promise<GroupRecord> {
    return await this.#db.group.update({ where: { id }, data: info, select: this.#select })
  }

  /** The horizon of those who join now: the id of the last message, if the group hides earlier history. 0: none. */
  async beginning({ conversationId, historyVisible }: GroupRecord): Promise<{ lastId: number; historyAfter: number }> {
    const [row] = await this.#db.$queryRaw<{ lastId: number }[]>`
        SELECT last.id::float8 AS "lastId" FROM unnest(ARRAY[${conversationId}]::text[]) AS k(id) CROSS JOIN LATERAL (
          SELECT id FROM messages WHERE ${pageBefore('conversation_id', 'messages.id', 'k.id')} LIMIT 1
        ) last`
    const lastId = row?.lastId ?? 0
    return { lastId, historyAfter: historyVisible ? 0 : lastId }
  }

  /**
   * Adds those who are not members yet; `sinceSeq` is the `seq` of the group's topic after which events are each one's. They
   * start behind the last message, and keep messages they sent here before.
   */
  async addMembers(
    group: GroupRecord,
    members: readonly { userId: number; role: Role; sinceSeq: number }[],
    { lastId, historyAfter }: { lastId: number; historyAfter: number },
  ): Promise<GroupRecord> {
    const userIds = members.map(({ userId }) => userId)
    await this.#db.joinRequest.deleteMany({ where: { groupId: group.id, userId: { in: userIds } } })
    await this.#db.$executeRaw`
        WITH input AS MATERIALIZED (
          SELECT * FROM json_to_recordset(${JSON.stringify(members)}::json) AS i("userId" int, role text, "sinceSeq" bigint)
        ), back AS (
          DELETE FROM former_senders f USING input i WHERE f.conversation_id = ${group.conversationId} AND f.user_id = i."userId"
          RETURNING f.user_id, f.sent_count
        )
        INSERT INTO members (conversation_id, user_id, role, since_seq, history_after, sent_count, read_to, marked_to, read_count)
        SELECT c.id, i."userId", i.role::group_role, i."sinceSeq", ${historyAfter}, coalesce(b.sent_count, 0), ${lastId}, ${lastId},
          c.message_count - coalesce(b.sent_count, 0)
        FROM input i JOIN conversations c ON c.id = ${group.conversationId} LEFT JOIN back b ON b.user_id = i."userId"`
    return await this.#db.group.update({
      where: { id: group.id },
      data: { memberCount: { increment: members.length } },
      select: this.#select,
    })
  }

  /** Ends a membership and stores the `seq` up to which events were the user's; the group is closed with its last member. */
  async removeMember(group: GroupRecord, userId: number, topic: string, untilSeq: number): Promise<GroupRecord> {
    const { sinceSeq, historyAfter, sentCount } = await this.#db.member.delete({
      where: { conversationId_userId: { conversationId: group.conversationId, userId } },
      select: { sinceSeq: true, historyAfter: true, sentCount: true },
    })
    await this.#db.pastMembership.create({ data: { userId, topic, sinceSeq, untilSeq, historyAfter } })
    if (sentCount > 0) await this.#db.formerSender.create({ data: { conversationId: group.conversationId, userId, sentCount } })
    const left = await this.#db.group.update({
      where: { id: group.id },
      data: { memberCount: { decrement: 1 } },
      select: this.#select,
    })
    if (left.memberCount === 0) await this.#db.group.update({ where: { id: group.id }, data: { closedAt: new Date() } })
    return left
  }

  /** How many memberships of a user have ended, as far as the event log reaches back. */
  async countFormer(userId: number): Promise<number> {
    return await this.#db.pastMembership.count({ where: { userId } })
  }

  async setRole(group: GroupRecord, userId: number, role: Role): Promise<void> {
    await this.#db.member.update({
      where: { conversationId_userId: { conversationId: group.conversationId, userId } },
      data: { role },
    })
  }

  /** The next owner of the group: the longest-standing admin, or else member; undefined if there is nobody else. */
  async successor(group: GroupRecord, ownerId: number): Promise<number | undefined> {
    const [row] = await this.#db.$queryRaw<{ userId: number }[]>`
        SELECT user_id AS "userId" FROM members WHERE conversation_id = ${group.conversationId} AND user_id <> ${ownerId}
        ORDER BY role = 'ADMIN' DESC, joined_at, user_id LIMIT 1`
    return row?.userId
  }

  /**
   * Mutes a member until a time, in milliseconds since the epoch, or unmutes with null; false if that changes nothing. A mute
   * survives leaving and joining again.
   */
  async setMute(groupId: number, userId: number, until: number | null): Promise<boolean> {
    if (until === null)
      return (await this.#db.$executeRaw`DELETE FROM group_mutes WHERE group_id = ${groupId} AND user_id = ${userId}`) > 0
    const changed = await this.#db.$executeRaw`
        INSERT INTO group_mutes AS m (group_id, user_id, until) VALUES (${groupId}, ${userId}, to_timestamp(${until}::float8 / 1000))
        ON CONFLICT (group_id, user_id) DO UPDATE SET until = excluded.until WHERE m.until <> excluded.until`
    return changed > 0
  }

  /** Until when users are muted in groups, in milliseconds since the epoch; expired ones are left out. */
  async mutes(keys: readonly { groupId: number; userId: number }[]): Promise<(number | undefined)[]> {
    const rows = await this.#db.$queryRaw<{ ord: number; until: number }[]>`
        SELECT k.ord, ${epochMs('m.until')} AS until FROM ${recordset(keys, 'k', '"groupId" int, "userId" int')}
        JOIN group_mutes m ON m.group_id = k."groupId" AND m.user_id = k."userId" AND m.until > statement_timestamp()`
    const byKey = new Map(rows.map(({ ord, until }) => [ord, until]))
    return keys.map((_, ord) => byKey.get(ord))
  }

  async addJoinRequests(groupId: number, userIds: readonly number[]): Promise<void> {
    await this.#db.joinRequest.createMany({ data: userIds.map((userId) => ({ groupId, userId })), skipDuplicates: true })
  }

  /** Deletes a join request; false if there was none. */
  async deleteJoinRequest(groupId: number, userId: number): Promise<boolean> {
    const { count } = await this.#db.joinRequest.deleteMany({ where: { groupId, userId } })
    return count > 0
  }

  /** Users who asked to join, earliest first, at most `limit`. */
  async joinRequests(groupIds: readonly number[], limit = NO_LIMIT): Promise<Map<number, number[]>> {
    const rows = await this.#db.$queryRaw<{ groupId: number; userId: number }[]>`
        SELECT group_id AS "groupId", user_id AS "userId" FROM join_requests WHERE group_id = ANY(${[...groupIds]}::int[])
        ORDER BY created_at, user_id LIMIT ${limit}`
    const requests = new Map(groupIds.map((id): [number, number[]] => [id, []]))
    for (const { groupId, userId } of rows) requests.get(groupId)?.push(userId)
    return requests
  }

  /** Members of a group by user id, those above `after`. */
  async members(groupId: number, after: number, limit: number): Promise<{ userId: number; role: Role; joinedAt: number }[]> {
    return await this.#db.$queryRaw`
        SELECT m.* FROM groups g CROSS JOIN unnest(ARRAY[${after}]::int[]) AS k(after) CROSS JOIN LATERAL (
          SELECT user_id AS "userId", role::text AS role, ${epochMs('joined_at')} AS "joinedAt" FROM members
          WHERE ${pageAfter('conversation_id', 'user_id', 'g.conversation_id', 'k.after')} LIMIT ${limit}
        ) m WHERE g.id = ${groupId} ORDER BY m."userId"`
  }
}
