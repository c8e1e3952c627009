/** Every bound of this folder that is no key of the config, by name. Times in milliseconds, sizes in bytes unless the name says otherwise. */
export const LIMITS = {
  bodyBytes: 16_384,
  requestMs: 10_000,
  timeoutCheckMs: 1_000,
  connections: 1_024,
  stopMs: 5_000,
  /** Not used up or expired, on disk. */
  joinTokens: 10_000,
  joinTokenSeconds: 7 * 24 * 3_600,
  /** How long the first user of a join token may ask again, with the same key. */
  lostAnswerMs: 5 * 60_000,
  sweepMs: 3_600_000,
  /** Between two questions: within bounds what the bundle asks for; after a failure; and of files. */
  foreignRefreshMs: { least: 1_000, most: 3_600_000, unless: 300_000, retry: 5_000, file: 5_000 },
  foreignRequestMs: 5_000,
  foreignBundleBytes: 65_536,
  /** No certificate lives longer, with the clocks of two machines. */
  deniedSerialMs: 8 * 24 * 3_600_000,
  commandBytes: 4_096,
  commandAnswerBytes: 1_048_576,
  /** A step makes keys and seals them. */
  commandMs: 30_000,
  commandsUnderWay: 16,
  /** How often it is looked whether the intermediate has to be replaced. */
  maintenanceMs: 60_000,
  /** Those of Kubernetes have about 1,200. */
  serviceAccountTokenChars: 8_192,
  tokenReviewMs: 4_000,
  apiServerConnections: 8,
  tokenReviewsUnderWay: 64,
  tokenReviewsPerSecond: 50,
  tokenReviewBurst: 200,
  /** How long what the API server said of a token is believed. */
  verdictMs: 10_000,
  verdicts: 10_000,
  /** Whose rates are known. */
  identities: 10_000,
  vaultSignsUnderWay: 64,
  /** Of a mount, and of a chain. */
  vaultIssuers: 16,
  certificateChars: 16_384,
  /** How soon a root that was added in Vault is in the bundle. */
  bundleRefreshMs: 60_000,
  firstLoginMs: 2_000,
  /** How long a start waits for the roots of Vault when none were kept. */
  startPatienceMs: 30_000,
  startPollMs: 250,
} as const;
