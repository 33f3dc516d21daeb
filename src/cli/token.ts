import { signToken, type TokenClaims } from '../auth/verify.ts'
import { problemWithName, problemWithUrl } from '../limits.ts'
import { devSecret } from '../auth/dev-secret.ts'
import { loadSettings } from '../settings.ts'
import { print } from './terminal.ts'
import { type Arguments, type Command, integerUpTo, MAX_INT, UsageError } from './command.ts'

const HELP = `Prints a token for a user, signed with the server's own secret.

  npm run --silent token -- --sub ID [--name NAME] [--avatar URL] [--admin] [--ttl SECONDS] [--env-file FILE]

  --sub ID        the user, 1 to 2147483647
  --name NAME     the user's name, 1 to 100 characters; without it a new user is called user<ID>
  --avatar URL    http(s) address of the user's picture
  --admin         with the rights of an admin
  --ttl SECONDS   how long the token is good, 3600 if absent
  --env-file FILE reads settings from a file of NAME=value lines; what the environment has wins over it
  --help          this text

The secret is JWT_SECRET; without one, outside production, the secret that the server keeps in DATA_DIR.
JWT_ISSUER and JWT_AUDIENCE go into the token where they are set. These, NODE_ENV and DATA_DIR are the settings it reads.

Examples:
  npm run --silent token -- --sub 7 --name Ann
  export ADMIN=$(npm run --silent token -- --sub 100 --admin --ttl 86400)`

const OPTIONS = {
  sub: { type: 'string' },
  name: { type: 'string' },
  avatar: { type: 'string' },
  admin: { type: 'boolean' },
  ttl: { type: 'string' },
} as const

/** Parses the arguments and reports all invalid ones at once. */
function parseClaims(given: Arguments): TokenClaims {
  const sub = given.read('sub', integerUpTo(MAX_INT))
  const name = given.read('name', problemWithName)
  const avatar = given.read('avatar', problemWithUrl)
  const ttl = given.read('ttl', integerUpTo(MAX_INT))
  if (!given.has('sub')) given.refuse('sub', '--sub is missing, expected the id of a user')
  given.finish()
  return {
    userId: Number(sub),
    ...(name === undefined ? {} : { name }),
    ...(avatar === undefined ? {} : { avatar }),
    isAdmin: given.has('admin'),
    ttlSeconds: Number(ttl ?? 3600),
  }
}

async function makeToken(claims: TokenClaims, env: NodeJS.ProcessEnv): Promise<string> {
  const { jwt, jwtIssuer, jwtAudience, dataDir } = loadSettings(env)
  if (jwt !== undefined && jwt.kind !== 'HS256')
    throw new UsageError(
      'JWT_PUBLIC_KEY is set: it only verifies. Sign with the private key that belongs to it, wherever that is kept.',
    )
  if (jwt === undefined && dataDir === 'memory:')
    throw new UsageError('DATA_DIR is memory: the server keeps no secret that this command could read. Set JWT_SECRET for both.')
  return signToken(jwt?.key ?? (await devSecret(dataDir)), { ...claims, issuer: jwtIssuer, audience: jwtAudience })
}

export const token: Command = {
  help: HELP,
  options: OPTIONS,
  readsSettings: true,
  async run(given, { env, stdout }) {
    print(stdout, await makeToken(parseClaims(given), env))
    return 0
  },
}
