/**
 * The same text in one piece. V8 keeps a text that was put together as a tree of its parts, which for a UUID is ten times what its characters take:
 * worth a copy for one that is kept as long as a connection is.
 */
export const flatText = (text: string): string => Buffer.from(text).toString()
