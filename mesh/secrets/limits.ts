/**
 * Every bound of this folder, by name. Times in milliseconds, sizes in bytes unless the name says otherwise.
 */
export const LIMITS = {
  vaultConnectMs: 2_000,
  /** A whole call, from the first byte sent to the last one read. */
  vaultCallMs: 5_000,
  vaultConnections: 4,
  vaultAnswerBytes: 1_048_576,
  /** Of a secret, a token or a key that is read from a file. */
  secretFileBytes: 1_048_576,
  secrets: 64,
  watchersPerSecret: 64,
  pathChars: 512,
  reasonChars: 200,
  /** How long a start waits for secrets that are not there yet. */
  startPatienceMs: 30_000,
  /** What a timer can hold; a lease that is longer is renewed sooner than it has to be. */
  timerMs: 2 ** 31 - 1,
} as const;
