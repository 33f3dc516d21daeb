/** Which users are on which nodes. Calls for one user must not overlap. */
export interface PresenceRegistry {
  /** The user is on this node from now on; resolves with whether they were on no node before. */
  enter(userId: number): Promise<boolean>
  /** The user is no longer on this node; resolves with whether they are on no node now. */
  leave(userId: number): Promise<boolean>
  /** Those of the users who are on any node. */
  online(userIds: readonly number[]): Promise<Set<number>>
  /** All users who are on any node. */
  everyone(): Promise<number[]>
}

/** The registry of a single node. */
export function createLocalRegistry(): PresenceRegistry {
  const users = new Set<number>()
  return {
    enter(userId) {
      const isNew = !users.has(userId)
      users.add(userId)
      return Promise.resolve(isNew)
    },
    leave: (userId) => Promise.resolve(users.delete(userId)),
    online: (userIds) => Promise.resolve(new Set(userIds.filter((userId) => users.has(userId)))),
    everyone: () => Promise.resolve([...users]),
  }
}
