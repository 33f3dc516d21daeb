import { badInput, ChatError, forbidden, notFound } from '../errors.ts'
import type { GroupInfo, GroupRecord, Role } from '../store/groups.ts'
import type { Store, Transaction } from '../store/store.ts'
import type { UserRecord } from '../store/users.ts'
import { isManager } from './access.ts'
import type { Also, Commits } from './commit.ts'
import { groupTopic, userTopic, type GroupPayload, type MembershipPayload } from './events.ts'
import { Slots } from '../lib/slots.ts'
import { LIMITS, problemWithAnnouncement, problemWithName, problemWithUrl } from '../limits.ts'

/** A membership; `joinedAt` in milliseconds since the epoch. */
export interface GroupMember {
  groupId: number
  userId: number
  role: Role
  joinedAt: number
}

const MEMBERS_AT_ONCE = 1000
/** If more come in by one change, they begin behind the last of them: otherwise each would get the events of all after them. */
const ONE_BY_ONE = 50
/** How long a change for more waits for those of others. */
const LONG_WAIT_MS = 10_000
/** An announcement that would take more characters, for all first members together, comes after the group, once for all of them. */
const ANNOUNCED_AT_ONCE = 100_000

export interface GroupsOptions {
  store: Store
  commits: Commits
  /** How often a day others may add a user to a group; 0: no limit. */
  additionsPerDay: number
  /** How many groups a user may create a day; 0: no limit. */
  createdPerDay: number
  /** How long a membership that ended is kept. */
  eventRetentionHours: number
  /** Ends a user's typing state. */
  stopTyping: (userId: number, conversationId: string) => void
}

/**
 * The rules of groups (docs/graphql.md, Groups): each change is one transaction under the lock of the group's topic, together
 * with its events.
 */
export class Groups {
  readonly #store: Store
  readonly #commits: Commits
  readonly #additionsPerDay: number
  readonly #createdPerDay: number
  /** So many ended memberships keep a user from joining: each is read with every connection. Those that others may have caused are not among them. */
  readonly #formerLimit: number
  readonly #stopTyping: (userId: number, conversationId: string) => void
  /**
   * Changes for many users hold the locks of their topics for tenths of a second, and a send to one of these, with all that share its statement,
   * would wait for all such changes before it: one runs at a time, and the next asks for its locks after that send.
   */
  readonly #long = new Slots({ count: 1 })

  constructor({ store, commits, additionsPerDay, createdPerDay, eventRetentionHours, stopTyping }: GroupsOptions) {
    this.#store = store
    this.#commits = commits
    this.#additionsPerDay = additionsPerDay
    this.#createdPerDay = createdPerDay
    const days = Math.ceil(eventRetentionHours / 24) + 1
    this.#formerLimit = additionsPerDay === 0 ? Infinity : LIMITS.formerMemberships + days * additionsPerDay
    this.#stopTyping = stopTyping
  }

  /** Administrators may create any number. */
  async create(ownerId: number, info: GroupInfo, memberIds: readonly number[], { isAdmin = false } = {}): Promise<GroupRecord> {
    checkInfo(info)
    const members = await this.#findUsers([ownerId, ...memberIds])
    const create = async (tx: Transaction): Promise<GroupRecord> => {
      const created = await tx.groups.create(info)
      const topic = groupTopic(created.id)
      await tx.lock([topic, ...members.map(({ id }) => userTopic(id))])
      if (!isAdmin) await this.#countCreated(tx, ownerId)
      await this.#countAdditions(
        tx,
        members.filter(({ id }) => id !== ownerId),
      )
      const sinceSeq = tx.nextSeq(topic)
      const group = await tx.groups.addMembers(
        created,
        members.map(({ id }) => ({ userId: id, role: id === ownerId ? ('OWNER' as const) : ('MEMBER' as const), sinceSeq })),
        { lastId: 0, historyAfter: 0 },
      )
      const topics = [topic, ...members.map(({ id }) => userTopic(id))]
      const isLong = (group.announcement ?? '').length * topics.length > ANNOUNCED_AT_ONCE
      const payload: GroupPayload = {
        group: isLong ? { ...group, announcement: null } : group,
        opens: { topic, sinceSeq },
      }
      tx.append({ topics, kind: 'group_updated', payload })
      if (isLong) announce(tx, group)
      return group
    }
    return await this.#inTurn({ userId: ownerId, isAdmin }, members, () => this.#commits.run(create))
  }

  async update(userId: number, groupId: number, info: Partial<GroupInfo>): Promise<GroupRecord> {
    checkInfo(info)
    return await this.#change(groupId, [userId], [], async (tx, group, roles) => {
      if (!isManager(roles.get(userId))) throw forbidden('only owner and admins may change the group')
      if (Object.keys(info).length === 0) return group
      const updated = await tx.groups.update(groupId, info)
      announce(tx, updated)
      return updated
    })
  }

  async join(userId: number, groupId: number): Promise<'JOINED' | 'PENDING'> {
    await this.#findUsers([userId])
    return await this.#change(groupId, [userId], [userTopic(userId)], async (tx, group, roles) => {
      if (roles.has(userId)) return 'JOINED'
      if ((await tx.groups.countFormer(userId)) >= this.#formerLimit) {
        const message = `${this.#formerLimit} of your memberships ended lately, which is the limit: another group can be joined some days later`
        throw forbidden(message)
      }
      if (group.joinApprovalRequired) {
        await tx.groups.addJoinRequests(groupId, [userId])
        return 'PENDING'
      }
      await admit(tx, group, [userId])
      return 'JOINED'
    })
  }

  async decide(userId: number, groupId: number, candidateId: number, approve: boolean): Promise<GroupRecord> {
    return await this.#change(groupId, [userId, candidateId], [userTopic(candidateId)], async (tx, group, roles) => {
      if (!isManager(roles.get(userId))) throw forbidden('only owner and admins may decide who joins')
      if (!(await tx.groups.deleteJoinRequest(groupId, candidateId))) throw notFound(`user ${candidateId} did not ask to join`)
      if (!approve || roles.has(candidateId)) return group
      return await admit(tx, group, [candidateId])
    })
  }

  async invite(userId: number, groupId: number, userIds: readonly number[], { isAdmin = false } = {}): Promise<GroupRecord> {
    if (userIds.length === 0) throw badInput('userIds is empty, expected at least one user')
    const users = await this.#findUsers(userIds)
    const topics = users.map(({ id }) => userTopic(id))
    const ids = [userId, ...users.map(({ id }) => id)]
    const invite = async (tx: Transaction, group: GroupRecord, roles: Map<number, Role>): Promise<GroupRecord> => {
      const role = roles.get(userId)
      if (!role) throw forbidden('only members may invite')
      if (!isManager(role) && !group.allowInvitation) throw forbidden('only owner and admins may invite to this group')
      const invited = users.filter(({ id }) => !roles.has(id))
      const needsApproval = group.joinApprovalRequired && !isManager(role)
      // Also if another one still needs approval: those who are added need not request it.
      const pending = needsApproval ? new Set((await tx.groups.joinRequests([groupId])).get(groupId)) : new Set<number>()
      const added = invited.filter(({ id }) => !pending.has(id))
      const addedIds = added.map(({ id }) => id)
      await this.#countAdditions(tx, added)
      if (!needsApproval) return await admit(tx, group, addedIds)
      await tx.groups.addJoinRequests(groupId, addedIds)
      return group
    }
    return await this.#inTurn({ userId, isAdmin }, users, () => this.#change(groupId, ids, topics, invite))
  }

  async leave(userId: number, groupId: number): Promise<void> {
    await this.#change(groupId, [userId], [], async (tx, group, roles) => {
      const role = roles.get(userId)
      if (!role) throw forbidden('not a member of this group')
      if (role === 'OWNER' && group.memberCount > 1) {
        throw new ChatError('FORBIDDEN', 'the owner can leave only after handing the group over to another member')
      }
      await expel(tx, group, userId)
    })
  }

  /** Ends the membership of an erased user; a group they owned goes to its longest-standing admin, or else member. */
  async expelErased(userId: number, groupId: number): Promise<void> {
    await this.#change(groupId, [userId], [], async (tx, group, roles) => {
      const role = roles.get(userId)
      if (!role) return
      const successor = role === 'OWNER' ? await tx.groups.successor(group, userId) : undefined
      if (successor !== undefined) {
        await tx.groups.setRole(group, successor, 'OWNER')
        await tx.groups.setMute(groupId, successor, null)
        await tx.groups.setRole(group, userId, 'MEMBER')
        announce(tx, group)
      }
      await expel(tx, group, userId)
    })
  }

  async remove(userId: number, groupId: number, memberId: number): Promise<GroupRecord> {
    return await this.#change(groupId, [userId, memberId], [], async (tx, group, roles) => {
      const role = roles.get(userId)
      const memberRole = roles.get(memberId)
      if (!isManager(role)) throw forbidden('only owner and admins may remove members')
      if (userId === memberId) throw badInput('userId is yourself: leave the group instead')
      if (!memberRole) throw notFound(`user ${memberId} is not a member`)
      if (memberRole !== 'MEMBER' && role !== 'OWNER') throw forbidden('only the owner may remove admins')
      return await expel(tx, group, memberId)
    })
  }

  /**
   * Mutes a plain member until a time, in milliseconds since the epoch, or unmutes with null. `also` is committed with it if
   * the caller acts as an administrator, not as owner or admin of the group.
   */
  async mute(
    { userId, also }: { userId: number; also?: Also },
    groupId: number,
    memberId: number,
    until: number | null,
  ): Promise<GroupMember> {
    if (until !== null && until <= Date.now()) throw badInput('until is past, expected a time to come or null')
    const { member, conversationId } = await this.#change(groupId, [userId, memberId], [], async (tx, group, roles) => {
      const isEntitled = isManager(roles.get(userId))
      if (!isEntitled && !also) throw forbidden('only owner and admins may mute members')
      const role = roles.get(memberId)
      if (!role) throw notFound(`user ${memberId} is not a member`)
      if (role !== 'MEMBER') throw forbidden('only plain members can be muted')
      if (await tx.groups.setMute(groupId, memberId, until)) announce(tx, group)
      if (!isEntitled) await also?.(tx)
      const [row] = await tx.groups.members(groupId, memberId - 1, 1)
      return { member: { groupId, ...(row as Omit<GroupMember, 'groupId'>) }, conversationId: group.conversationId }
    })
    if (until !== null) this.#stopTyping(memberId, conversationId)
    return member
  }

  async setRole(userId: number, groupId: number, memberId: number, role: Role): Promise<GroupRecord> {
    return await this.#change(groupId, [userId, memberId], [], async (tx, group, roles) => {
      if (roles.get(userId) !== 'OWNER') throw forbidden('only the owner may set roles')
      const before = roles.get(memberId)
      if (!before) throw notFound(`user ${memberId} is not a member`)
      if (before === role) return group
      if (userId === memberId) throw badInput('the owner stays owner: give role OWNER to another member to hand the group over')
      await tx.groups.setRole(group, memberId, role)
      if (role !== 'MEMBER') await tx.groups.setMute(groupId, memberId, null)
      if (role === 'OWNER') await tx.groups.setRole(group, userId, 'ADMIN')
      announce(tx, group)
      return group
    })
  }

  /**
   * Runs a change of a group under the lock of its topic and of `others`; roles are read under the lock. Throws NOT_FOUND for a
   * group that does not exist or is closed.
   */
  async #change<T>(
    groupId: number,
    userIds: readonly number[],
    others: readonly string[],
    run: (tx: Transaction, group: GroupRecord, roles: Map<number, Role>) => Promise<T>,
  ): Promise<T> {
    return await this.#commits.run(async (tx) => {
      await tx.lock([groupTopic(groupId), ...others])
      const group = (await tx.groups.byIds([groupId])).get(groupId)
      if (!group) throw notFound(`there is no group ${groupId}`)
      return await run(tx, group, await tx.groups.roles(groupId, userIds))
    })
  }

  /** Runs a change for these users, after those for many others where they are many. Admins need not wait: theirs are often scripts. */
  async #inTurn<T>(by: { userId: number; isAdmin: boolean }, users: readonly UserRecord[], run: () => Promise<T>): Promise<T> {
    if (users.length <= ONE_BY_ONE || by.isAdmin) return await run()
    return await this.#long.run(
      by.userId,
      LONG_WAIT_MS,
      run,
      'too many changes of groups for many users wait; try again in a second',
    )
  }

  /** The users by id, in the given order and without duplicates. Throws NOT_FOUND naming those who do not exist. */
  async #findUsers(userIds: readonly number[]): Promise<UserRecord[]> {
    const ids = [...new Set(userIds)]
    if (ids.length > MEMBERS_AT_ONCE) throw badInput(`${ids.length} users at once, expected at most ${MEMBERS_AT_ONCE}`)
    const users = await this.#store.users.byIds(ids)
    const unknown = ids.filter((id) => !users.has(id))
    if (unknown.length > 0) throw notFound(`there is no user ${unknown.slice(0, 5).join(', ')}`)
    return ids.map((id) => users.get(id) as UserRecord)
  }

  /** Counts a group of its owner. Throws FORBIDDEN if the owner created too many today: a client that tried again soon would do so all day. */
  async #countCreated(tx: Transaction, ownerId: number): Promise<void> {
    if (this.#createdPerDay === 0 || (await tx.users.countGroupCreated(ownerId, this.#createdPerDay))) return
    throw forbidden(`you created ${this.#createdPerDay} groups today, which is the limit`)
  }

  /** Counts additions to groups by others. Throws FORBIDDEN if one of the users was added too often today. */
  async #countAdditions(tx: Transaction, users: readonly UserRecord[]): Promise<void> {
    if (this.#additionsPerDay === 0 || users.length === 0) return
    const ids = users.map(({ id }) => id)
    const full = await tx.users.countGroupAdditions(ids, this.#additionsPerDay)
    if (full.length === 0) return
    const some = full.slice(0, 5).join(', ')
    const message = `others put user ${some} into ${this.#additionsPerDay} groups today, which is the limit: who wants to be in this one can join it`
    throw forbidden(message)
  }
}

function announce(tx: Transaction, group: GroupRecord): void {
  const payload: GroupPayload = { group }
  tx.append({ topics: [groupTopic(group.id)], kind: 'group_updated', payload, changesAccess: true })
}

/** Adds users one after the other, with an event for the group and for each user. */
async function admit(tx: Transaction, group: GroupRecord, userIds: readonly number[]): Promise<GroupRecord> {
  if (userIds.length === 0) return group
  // Under the lock of their topics: a concurrent change of a name reaches the group either way.
  const users = await tx.users.byIds(userIds)
  const topic = groupTopic(group.id)
  const beginning = await tx.groups.beginning(group)
  const { historyAfter } = beginning
  const members: { userId: number; role: Role; sinceSeq: number }[] = []
  const first = tx.nextSeq(topic)
  const last = first + userIds.length - 1
  for (const { id, name, avatar } of userIds.map((userId) => users.get(userId) as UserRecord)) {
    const sinceSeq = userIds.length > ONE_BY_ONE ? last : first + members.length
    const payload: MembershipPayload = {
      groupId: group.id,
      conversationId: group.conversationId,
      user: { id, name, avatar },
      memberCount: group.memberCount + members.length + 1,
      opens: historyAfter === 0 ? { topic, sinceSeq } : { topic, sinceSeq, historyAfter },
    }
    tx.append({ topics: [topic, userTopic(id)], kind: 'member_joined', payload, changesAccess: true })
    members.push({ userId: id, role: 'MEMBER', sinceSeq })
  }
  return await tx.groups.addMembers(group, members, beginning)
}

async function expel(tx: Transaction, group: GroupRecord, userId: number): Promise<GroupRecord> {
  const topic = groupTopic(group.id)
  const seq = tx.nextSeq(topic)
  const user = (await tx.users.byIds([userId])).get(userId) as UserRecord
  const left = await tx.groups.removeMember(group, userId, topic, seq)
  const payload: MembershipPayload = {
    groupId: group.id,
    conversationId: group.conversationId,
    user: { id: userId, name: user.name, avatar: user.avatar },
    memberCount: left.memberCount,
    closes: userId,
  }
  tx.append({ topics: [topic], kind: 'member_left', payload, changesAccess: true })
  return left
}

function checkInfo(info: Partial<GroupInfo>): void {
  const problem =
    (info.name === undefined ? null : problemWithName(info.name)) ??
    (info.avatar == null ? null : problemWithUrl(info.avatar, 'avatar')) ??
    (info.announcement == null ? null : problemWithAnnouncement(info.announcement))
  if (problem !== null) throw badInput(problem)
}
