import { settingsHelp } from '../settings/reference.ts'

/** `npm start -- --help`. docs/settings.md has more on each setting. */
export const HELP = `Starts the server: GraphQL on /graphql, the legacy protocol on /ws/connect, and /health, /ready, /metrics; in the demo a
page to try both on /.

  npm start [-- --env-file FILE]
  npm start -- --help

  --env-file FILE  reads settings from a file of NAME=value lines; what the environment has wins over it (.env.example)
  --help           this text

SIGTERM or Ctrl-C stops it: it closes its sockets with 1012 and exits 0 within DRAIN_MS.
A bad setting, a database that can't be used or a port that is taken is told with the reason, and it exits 1.

Settings, from the environment or the file; an absent or empty one takes its default:
${settingsHelp()}
  A file may hold JWT_SECRET, DATABASE_URL or REDIS_URL: set JWT_SECRET_FILE and so on to its path.

Examples:
  npm start
  PORT=8080 DATA_DIR=/var/lib/parley npm start
  NODE_ENV=production HOST=0.0.0.0 DATABASE_URL=postgresql://parley:secret@db/parley \\
    REDIS_URL=redis://redis:6379 JWT_SECRET=$(cat secret) npm start`
