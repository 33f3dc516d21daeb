// Installed by bench/package.json alone, so that the type check does not need them.
declare module 'socket.io'
declare module 'socket.io-client'
declare module '@socket.io/redis-adapter'
declare module '@socket.io/redis-streams-adapter'
declare module '@apollo/client'
declare module '@apollo/client/link/subscriptions'
declare module '@urql/core'
