/**
 * Every bound of the services, by name. A queue, buffer, cache or retry whose bound is neither here nor in the config is a defect.
 *
 * Sizes are in bytes, counts in items, times in milliseconds unless the name says otherwise.
 */
export const LIMITS = {
  requestBodyBytes: 262_144,
  requestIdChars: 128,
  urlChars: 2_048,
  pathParamChars: 512,
  /** Nesting of a JSON body: everything that walks one may recurse. */
  jsonDepth: 64,
  /** Longer than the idle time of the sidecar's pool, so that the sidecar, not the service, closes an idle connection. */
  keepAliveMs: 75_000,
  /** A whole request, head and body, must have arrived by then. */
  requestReceiveMs: 30_000,

  outboundConnections: 128,
  outboundInFlight: 1_024,
  outboundConnectMs: 2_000,
  /** What is read of an answer; the rest is thrown away with its connection. */
  responseBodyBytes: 65_536,

  redisConnectMs: 2_000,
  redisCommandMs: 2_000,
  redisReconnectMs: 2_000,
  /** How long a start waits for Redis before the service says it is up, not ready. */
  startupWaitMs: 5_000,

  /** Jobs of one queue that wait or are delayed; beyond it a producer is refused. */
  queuedJobs: 10_000,
  finishedJobs: 10_000,
  finishedJobAgeSeconds: 86_400,
  /** Ceiling for any retry policy: the queue itself never tries more often. */
  jobAttempts: 50,
  jobStackFrames: 1,
  /** How long an idle worker's connection is blocked at a time. */
  jobWaitSeconds: 2,
  reasonChars: 500,
  /** How long a scrape waits for the depth of a queue, and for how long the answer is good. */
  queueDepthMs: 500,
  queueDepthFreshMs: 1_000,
  /** Jobs at the front of a queue among which the oldest is looked for that was not tried yet. */
  queueLookAhead: 16,

  queuedSpans: 4_096,
  spansPerExport: 512,
  spanExportDelayMs: 500,
  spanExportMs: 5_000,
  telemetryFlushMs: 2_000,

  configBytes: 1_048_576,
  apiKeys: 1_000,
  apiKeyChars: 256,
  tenants: 1_000,
  signingSecretsPerTenant: 2,
  workflows: 256,
  workflowSteps: 32,
  deadLettersPerPage: 100,

  vectorDimensions: 4_096,
  vectorCollections: 64,
  pointsPerRequest: 256,
  /** Vectors are long as text: a request with `pointsPerRequest` of them. */
  vectorRequestBytes: 4_194_304,
  vectorStoreWrites: 256,
  /** `searchResults` documents, even if each character took six bytes. */
  vectorResponseBytes: 4_194_304,

  textChars: 8_192,
  textsPerRequest: 32,
  longTextChars: 65_536,
  summarySentences: 20,
  labels: 31,
  labelChars: 200,
  documentIdChars: 128,
  documentMetadataChars: 4_096,
  searchResults: 50,
} as const;
