/**
 * Every bound of telemetry, by name. What does not fit is dropped and counted; it never slows a request.
 *
 * Sizes are in bytes, counts in items, times in milliseconds.
 */
export const OBSERVE_LIMITS = {
  /** Text of one span: request id, peer address, path, authority and failure detail, cut in this order of importance. */
  spanTextBytes: 320,
  spanPathBytes: 128,
  spanAuthorityBytes: 64,
  /** Kept traces that are remembered for late spans (a power of two), and for how long. */
  keptTraces: 16_384,
  keptTraceMs: 60_000,
  /** Traces that are kept in one second, by reason. */
  keptPerSecond: { failed: 100, refused: 20, slow: 50 },
  /** From the first kept trace to the look through the ring, and to the word to others. */
  retainDelayMs: 200,
  /** Kept traces that wait for that word. */
  toldTraces: 1_024,
  traceIdBytes: 16,
  /** Spans of the service itself: the ring's size, one span, what one takes as a rule, resources and scopes, and one message of OTLP. */
  appSpansBytes: 8_388_608,
  appSpanBytes: 65_536,
  appSpanTypicalBytes: 256,
  appOrigins: 64,
  appOriginBytes: 16_384,
  intakeMessageBytes: 4_194_304,
  /** Exported spans that are remembered for who asks later, and spans of one trace that are shown. */
  rememberedSpans: 4_096,
  foundSpans: 512,
  /** Questions of the control plane that are answered in one second. */
  questionsPerSecond: 20,
  /** Pause after the stream to the control plane was lost; doubles up to the maximum. */
  traceStreamBackoffMs: 1_000,
  traceStreamBackoffMaxMs: 30_000,
  traceStreamPingMs: 20_000,
  traceStreamMessageBytes: 65_536,
  /** Durations between two looks at what is slow, and how many count in full. */
  quantileRefresh: 128,
  quantileWindow: 8_192,
  /** Distinct identities and endpoints that spans can name; the rest reads `other`. */
  spanNames: 1_024,
  spansPerExport: 512,
  /** From the first sampled span that waits to its export. */
  spanExportDelayMs: 500,
  /** One export, from the call to the collector's answer. */
  spanExportTimeoutMs: 5_000,
  /** How often one batch is sent while the collector is away: for some two minutes. */
  spanExportAttempts: 8,
  /** One message of spans of the service. Collectors take 4 MiB. */
  spanExportBytes: 3_145_728,
  /** Pause after a failed export, less up to a half of it by chance; doubles up to the maximum while exports go on failing. */
  spanExportBackoffMs: 1_000,
  spanExportBackoffMaxMs: 30_000,

  /** One of the two buffers of logs that go to one place: one is filled while the other is written. */
  lineBufferBytes: 524_288,
  /** A buffer with this much in it is written at once. */
  lineWriteBytes: 65_536,
  /** From the first line that waits to its write. */
  lineDelayMs: 200,
  /** Pause when the reader of a pipe has no room. */
  lineRetryMs: 20,
  /** Request paths and failure details are cut to this many bytes, before escaping. */
  accessLogPathBytes: 2_048,
  accessLogDetailChars: 512,
  /** Of the audit log: the host of a request, and the subject of a token. */
  auditHostBytes: 256,
  auditSubjectChars: 256,
  /** What a WAF policy found in one request. */
  accessLogWafChars: 1_024,

  /** One slice of a scrape, between which requests go on; all of one; and scrapes that wait for the one that is being written. */
  scrapeSliceChars: 65_536,
  scrapeChars: 67_108_864,
  waitingScrapes: 4,

  /** Traces that one histogram of requests names, so that its buckets lead to examples. */
  exemplarsPerHistogram: 8,

  /** Taps that are open at a time, lines that wait for all of them and for how long, and what one may have that its reader has not taken. */
  taps: 4,
  tapBufferBytes: 131_072,
  tapDelayMs: 50,
  tapPendingBytes: 262_144,

  /** Routes with series of their own; the rest shares one. Above what one config can name, for those that came and went. */
  metricRoutes: 2_048,
  /**
   * Of one route, so that none can use up what all share: the combinations of method, status, failure and peer, and of method and status of gRPC calls,
   * that have series of their own.
   */
  metricCombinationsPerRoute: 512,
  /** Peers of one route with a label value of their own, and of all routes together. */
  metricPeers: 64,
  metricPeerSeries: 4_096,
  /** gRPC methods of one route that are told apart. */
  metricRpcMethods: 256,
  /** Listeners and upstream services with series of their own. */
  metricConnectionSeries: 2_048,

  /** Collections, topics or key prefixes of one service that are told apart; its databases; its error codes; its topics by id. */
  dataStoreTargets: 1_024,
  dataStoreNamespaces: 64,
  dataStoreErrors: 128,
  dataStoreTopicIds: 4_096,
  /** Data stores with series of their own. */
  metricDataStores: 256,
  /** Combinations of operation, target and outcome of one data store that have series of their own. */
  metricCombinationsPerStore: 512,
  /** A command that took longer is slow, as MongoDB's own log has it. */
  slowCommandMs: 100,
  /** Spans of slow and failed commands that are kept in one second, on top of those that are sampled. */
  keptCommandsPerSecond: 100,
} as const;
