/** How host commands end. */
export const exitCodes = {
  failed: 1,
  /** The command line or the configuration has a mistake: doing it again changes nothing. */
  usage: 2,
  /** Another daemon serves the data directory. */
  locked: 3,
} as const
