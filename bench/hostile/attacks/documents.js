import { subscribe } from '../frames.js'

/** B: texts that are refused, and texts that are only used once. */
const PER_SECOND = 45

const list = (length, part) => Array.from({ length }, (_, index) => part(index)).join(' ')

/** 2.2 KB that fail validation or a limit, each text another one. */
const REFUSED = [
  (count) => `query Q${count} { viewerx { ${list(200, (index) => `a${index}: id`)} } }`,
  (count) => `query Q${count} { ${list(200, (index) => `a${index}: viewerx`)} }`,
  (count) => `query Q${count} { ${list(180, (index) => `viewerx${index}`)} }`,
  (count) => `query Q${count} { ${list(29, (index) => `a${index}: viewerx`)} }`,
]
const refusedText = (count) => REFUSED[count % REFUSED.length](count).padEnd(2200)

/** As large as a valid one may be, near enough. */
const validText = (count) => {
  const parts = Array.from(
    { length: 28 },
    (_, index) => `a${count}_${index}: user(id: "${index}") { id name avatar online lastActive }`,
  )
  return `query Q${count} { ${parts.join(' ')} }`
}

/** Not even GraphQL, and large. */
const garbage = (count) => `query Q${count} { ${'x'.repeat(60_000)} $ }`

const conflicts = (count) => {
  const fields = Array.from({ length: 180 }, (_, index) => `...on User{id name ...on User{id}}${index % 9 ? '' : ' name'}`).join(
    ' ',
  )
  return `query Q${count} { viewer { ${fields} } }`
}

const fragments = (count) => {
  const all = Array.from({ length: 60 }, (_, index) => `fragment F${index} on User { id ...F${index + 1} ...F${index + 1} }`)
  return `query Q${count} { viewer { ...F0 } } ${all.join(' ')} fragment F60 on User { id }`
}

const directives = (count) => `query Q${count} { viewer { id ${'@skip(if: false) '.repeat(300)} } }`

/** Every pair of fields with one name is compared. */
const repeated = (count) => `query Q${count} { viewer { ${list(950, () => 'id')} } }`
const repeatedNested = (count) => `query Q${count} { ${list(200, () => 'viewer { id }')} }`
const comments = (count) => `query Q${count} { viewer { id } } ${'#\n'.repeat(30_000)}`

const introspection = (count) =>
  `query Q${count} { __schema { types { fields { type { fields { type { fields { name } } } } } } } }`

const overHttp = (id, title, textOf, perSecond = PER_SECOND) => ({
  id,
  title: `${title}, over HTTP`,
  run: (attacker) => attacker.pace(perSecond, (count) => attacker.post({ query: textOf(count) })),
})

const overSocket = (id, title, textOf, perSecond = PER_SECOND) => ({
  id,
  title: `${title}, over graphql-ws`,
  async run(attacker) {
    let socket = await attacker.socket('graphql')
    await attacker.pace(perSecond, async (count) => {
      if (socket.readyState > 1) socket = await attacker.socket('graphql')
      attacker.send(socket, subscribe(count, textOf(count)))
    })
  },
})

export const documents = [
  overHttp('B1', '45 refused documents of 2.2 KB a second', refusedText),
  overSocket('B2', '45 refused documents of 2.2 KB a second', refusedText),
  overHttp('B3', '45 valid documents a second, each another one', validText),
  overSocket('B4', '45 valid documents a second, each another one', validText),
  overHttp('B5', '45 texts of 60 KB that are no GraphQL a second', garbage),
  overHttp('B6', '45 documents a second whose fields overlap', conflicts),
  overHttp('B7', '45 documents a second of 60 fragments that spread each other twice', fragments),
  overHttp('B8', '45 documents a second with 300 directives', directives),
  overHttp('B11', '45 documents a second with one field 950 times', repeated),
  overHttp('B12', '45 documents a second with one nested field 200 times', repeatedNested),
  overHttp('B13', '45 documents a second of 30,000 empty comments', comments),
  {
    id: 'B14',
    title: '100 documents with one field 950 times in one go, on 20 sockets',
    async run(attacker) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql')))
      for (let count = 0; count < 100; count++) attacker.send(sockets[count % sockets.length], subscribe(count, repeated(count)))
    },
  },
  overHttp('B9', '45 introspections a second', introspection),
  {
    id: 'B10',
    title: 'refused documents as fast as they go, on 20 sockets',
    async run(attacker) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => attacker.socket('graphql')))
      await attacker.pace(1000, (count) => attacker.send(sockets[count % sockets.length], subscribe(count, refusedText(count))))
    },
  },
]
