// Every bound of the command line, in one place: what it asks may be slow, broken or somebody else's.

export const LIMITS = {
  /** One request to an admin endpoint. The control plane itself waits one second for its sidecars. */
  requestMs: 5_000,
  answerBytes: 32 * 1024 * 1024,
  /** Spans of one trace that are shown; further ones are counted. */
  spans: 2_000,
  /** Columns of what is drawn: less can't hold the columns, more is hard to read. */
  minWidth: 80,
  maxWidth: 160,
  /** For a pipe, which has no width. */
  pipeWidth: 100,
  /** Between two readings of `top`. */
  maxIntervalSeconds: 3_600,
  /** Lines after which `tap` may be told to end, and what one may have. */
  maxCount: 1_000_000,
  lineChars: 1024 * 1024,
  /** Lines of a request that `logs` shows, and what it keeps of stdin. */
  logLines: 10_000,
  stdinChars: 64 * 1024 * 1024,
  /** Characters of an answer that are quoted in an error. */
  quotedChars: 200,
} as const;
