/** Every bound of the control plane's streams, by name. Counts in items, sizes in bytes, times in milliseconds. */
export const LIMITS = {
  /** Sidecars that share their traces. */
  subscribers: 10_000,
  /** Trace ids in one message, and from one sidecar in one second. */
  idsPerMessage: 1_024,
  idsPerSecond: 2_000,
  /** Trace ids that wait to be passed on. */
  waitingIds: 65_536,
  /** From the first that waits to passing them on. */
  batchMs: 100,
  /** Traces that are known, so that nobody is told twice: a power of two. */
  knownTraces: 65_536,
  /** One message from a sidecar: the spans of a trace as JSON at the most. */
  messageBytes: 4_194_304,
  spansPerAnswer: 1_024,
  /** How long sidecars have to answer a question, and how many questions may wait. */
  answerMs: 1_000,
  openQuestions: 64,
  stopMs: 5_000,
} as const;
