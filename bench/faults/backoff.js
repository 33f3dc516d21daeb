/** All clients come back at the same pace, so that what is compared is the servers: 250 ms, doubled up to 1 s, jittered. */
export const FIRST_DELAY_MS = 250
export const LONGEST_DELAY_MS = 1000

export const delayOf = (attempt) => Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt) * (0.5 + Math.random())
