/** `npm start -- --help`. The README's table of settings tells more of each. */
export const HELP = `Starts the server: GraphQL on /graphql, the legacy protocol on /ws/connect, and /health, /ready, /metrics; in the demo a
page to try both on /.

  npm start [-- --env-file FILE]
  npm start -- --help

  --env-file FILE  reads settings from a file of NAME=value lines; what the environment has wins over it (.env.example)
  --help           this text

SIGTERM or Ctrl-C stops it: it closes its sockets with 1012 and exits 0 within DRAIN_MS.
A bad setting, a database that can't be used or a port that is taken is told with the reason, and it exits 1.

Settings, from the environment or the file; an absent or empty one takes its default:
  HOST, PORT                   where it listens, 127.0.0.1 and 4000; PORT=0 picks a free one
  METRICS_PORT, METRICS_HOST   another port for /metrics and /ready, which are then 404 on PORT; absent: none
  KEEP_ALIVE_TIMEOUT_MS        how long an idle HTTP connection stays open, 75000
  DATABASE_URL                 PostgreSQL 13 or newer; absent: the embedded database in DATA_DIR, in
                               production only where DATA_DIR is set
  DATA_DIR                     folder of the embedded database, .data; memory: keeps nothing
  DB_POOL_SIZE                 most connections to PostgreSQL, 10
  DB_ACQUIRE_TIMEOUT_MS        how long a query waits for one of them, 3000
  DB_STATEMENT_TIMEOUT_MS      how long a statement may run, 4000
  REDIS_URL                    redis:// or rediss://, connects the nodes; absent: one node only
  REDIS_PREFIX                 before every key and channel, chat:
  POSITION_CHECK_MS            how often a node looks into the log for what no hint told it of, 5000
  JWT_SECRET                   HS256 secret of at least 32 bytes
  JWT_SECRET_FILE              the path of a file that holds it; also DATABASE_URL_FILE, REDIS_URL_FILE
  JWT_PUBLIC_KEY               PEM of an RSA or P-256 key instead of a secret
  JWKS_URL                     where an identity provider publishes its keys, instead of one key
  JWT_ISSUER, JWT_AUDIENCE     what tokens must have, where set
  JWT_LEEWAY_SECONDS           how far the clocks of issuer and server may differ, 5
  NODE_ENV                     production: a key is required, no demo, GraphiQL only if asked for
  DEMO                         1: the demo's page, data and tokens; the default outside production without DATABASE_URL
  GRAPHIQL                     1: serve GraphiQL; the default outside production
  PING_INTERVAL_MS             WebSocket pings, 30000
  PRESENCE_GRACE_MS            how long a user stays online after the last connection closed, 5000
  PRESENCE_GROUP_LIMIT         presence is not told to the members of larger groups, 1000
  RATE_LIMIT_PER_SECOND        requests of one user on one node, 50; 0: no limit
  RATE_LIMIT_BURST             so many at once, 100; 0: no limit
  MAX_GROUP_ADDITIONS_PER_DAY  how often a day others may put a user into a group, 200; 0: no limit
  MAX_CONNECTIONS_PER_USER     on one node, 20
  MAX_CONNECTIONS_PER_ADDRESS  of one client address on one node, 10000; 0: no limit
  TRUSTED_PROXIES              addresses or networks whose X-Forwarded-For tells the client's address
  MAX_FRAME_BYTES              largest inbound frame or HTTP body, 65536
  MAX_BUFFERED_BYTES           outbound bytes that a slow connection may have waiting, 1048576
  MAX_RESPONSE_BYTES           bytes of one GraphQL answer, 4194304
  WS_COMPRESSION               1: permessage-deflate for clients that offer it; 0
  EVENT_RETENTION_HOURS        how far back resume reaches, 168
  RESUME_LIMIT                 most events of one replay, 1000
  DRAIN_MS                     longest time from SIGTERM to exit, 10000
  ALLOWED_ORIGINS              browser origins, separated by commas; absent: all
  PERSISTED_DOCUMENTS          JSON file of the only documents that clients may send, by their ids
  TLS_CERT, TLS_KEY            PEM files: serve https and wss
  LOG_LEVEL                    fatal, error, warn, info, debug, trace or silent; info
  OTEL_EXPORTER_OTLP_ENDPOINT  where to send traces; the SDK's other OTEL_ variables count too

Examples:
  npm start
  PORT=8080 DATA_DIR=/var/lib/parley npm start
  NODE_ENV=production HOST=0.0.0.0 DATABASE_URL=postgresql://parley:secret@db/parley \\
    REDIS_URL=redis://redis:6379 JWT_SECRET=$(cat secret) npm start`
