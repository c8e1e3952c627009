/**
 * Every bound of the data plane, by name. A queue, buffer, label set or retry whose bound is not here is a defect.
 *
 * Sizes are in bytes, counts in items, times in milliseconds.
 */
export const LIMITS = {
  /** One shared read buffer serves all connections: what one read can bring. */
  readBufferBytes: 262_144,
  /** One output buffer collects head, insertions and body for a single write. */
  outputBufferBytes: 131_072,
  /** Output buffers kept for reuse after their write went asynchronous. */
  idleOutputBuffers: 64,
  /** Unsent bytes of one connection above which its producer is paused. */
  writeHighWaterBytes: 262_144,

  /** A request or response head: start line and all fields. */
  headBytes: 65_536,
  /** A request target, as nginx and Envoy users expect it to be bounded. */
  targetBytes: 16_384,
  /** One field line. Bounds the work of a head that arrives byte by byte. */
  fieldLineBytes: 16_384,
  /** Fields of one head or trailer section. */
  fields: 128,
  /** A trailer section. */
  trailerBytes: 8_192,
  /** Extensions of one chunk; they are checked and dropped. */
  chunkExtensionBytes: 256,
  /** Fields that filters may add to one head: four lists of a rule and its backend with 16 each, and those of the sidecar itself. */
  addedFields: 96,
  /** Bytes that filters may add to one head. */
  insertionBytes: 8_192,
  /** The rest of a request body that is read and thrown away behind an early response so that the connection can be kept. */
  discardBodyBytes: 65_536,

  /** Members of a tracestate, and the key and value of each (Trace Context level 2, section 3.3.1). */
  tracestateMembers: 32,
  tracestateKeyBytes: 256,
  tracestateValueBytes: 256,
  /** Of a baggage, what every platform has to pass on, and this one passes on at most (W3C Baggage, section 3.3.2). */
  baggageMembers: 64,
  baggageBytes: 8_192,

  /** Bodies that all exchanges together hold until they were judged. */
  heldBodyBytes: 67_108_864,

  /** First bytes of a connection that are looked at to tell its protocol. */
  detectBytes: 32,
  /** A TLS ClientHello whose server name is looked for, records and all. */
  clientHelloBytes: 16_384,
  /** Destinations outside of the mesh that HTTP is passed through to, each with a pool. */
  passthroughDestinations: 256,

  /** The dynamic table of an HPACK decoder or encoder: what SETTINGS_HEADER_TABLE_SIZE is without a word about it (RFC 9113). */
  hpackTableBytes: 4_096,
  /** A field value that may enter a dynamic table; longer ones are rarely seen twice and would push out many others. */
  hpackIndexedValueBytes: 256,
  /** How many times `headBytes` a field list may be decoded to before its connection is closed. */
  hpackFloodFactor: 4,

  /** Streams open at once on one connection of HTTP/2, in either direction. */
  http2StreamsPerConnection: 256,
  /** What a peer may send on one stream before it is read. */
  http2StreamWindowBytes: 262_144,
  /** What a peer may send on all streams of a connection before we say that there is room for more. */
  http2ConnectionWindowBytes: 4_194_304,
  /** Of one stream, what may wait for the peer's window before its producer is paused. */
  http2StreamPendingBytes: 65_536,
  /** The largest payload that we send in one frame, if the peer allows it. */
  http2FrameBytes: 16_384,
  /** CONTINUATION frames of one header block. */
  http2Continuations: 16,
  /**
   * Streams kept for reuse by one connection: as many as were open at once, since a round of events may end all of them. With 64, three
   * of five streams were built anew at 256 callers, for 60 us a request instead of 45.
   */
  http2SpareStreams: 256,
  /** Streams that we reset lately and whose late frames are no error: all that can have been open at once. */
  http2RememberedResets: 256,
  /** Settings in one frame. */
  http2SettingsPerFrame: 32,
  /** Resets, settings and empty frames that a peer may send at once, and each second from then on. */
  http2NuisanceBurst: 1_000,
  http2NuisancesPerSecond: 100,
  /** The same for pings, updates of windows and other frames that our own frames call for. */
  http2ChatterBurst: 10_000,
  /** A stream that is reset earlier than this was hardly meant. */
  http2PrematureResetMs: 1_000,
  /** Streams of one connection that we reset so early before we leave it, as less patient peers would make us. */
  http2OwnPrematureResets: 200,
  /** How long a silent peer may take to answer a ping. */
  http2ProbeMs: 5_000,
  /** What is kept of the reason that a peer gives with GOAWAY. */
  http2ReasonBytes: 256,

  /** Open downstream connections of one listener. */
  downstreamConnections: 10_000,
  /** Open connections to one endpoint. */
  connectionsPerEndpoint: 1_024,
  /** Idle connections kept to one endpoint. */
  idleConnectionsPerEndpoint: 256,
  /** Exchanges that wait for a connection to one endpoint. */
  pendingPerEndpoint: 1_024,
  /** Times that a request is sent again because a kept-alive connection turned out to be closed. */
  staleReplays: 2,
  /** Endpoints that one request is offered to while no connection can be had. */
  connectAttempts: 3,
  /** Requests of one route that a fault policy delays at once; further ones go on undelayed. */
  delayedExchanges: 1_024,
  /** Draws of a balancer for an endpoint that a request has not been sent to; then it looks at all of them. */
  untriedDraws: 8,
  /** Slots behind that of its key in which consistent hashing looks for an endpoint that may be used. */
  hashSteps: 256,
  /** Size of a regular expression of config, in instructions of RE2, and of a value that it is asked about; a longer one does not match. */
  patternInstructions: 256,
  patternValueBytes: 2_048,
  /** Mirrored requests of one route under way at once, and the body that is kept of each; beyond that nothing is mirrored. */
  mirroredExchanges: 256,
  mirroredBodyBytes: 65_536,
  /** How long a mirrored request may take. */
  mirrorMs: 60_000,
  /** Health checks under way in one sidecar. */
  healthChecks: 16,
  /** Beginning of the answer to a health check that is looked at. */
  healthAnswerBytes: 256,
  /** Interim (1xx) responses to one request. */
  interimResponses: 16,

  /** A connection that was closed after its last response, waiting for the peer to send on or to close too. */
  lingerMs: 2_000,
  /** How long a peer that does not close may send on. */
  lingerTotalMs: 30_000,
  /** A response to a client that has closed its side: how long it may stand still until the client is taken for gone. */
  halfClosedQuietMs: 5_000,
  /** Between the two probes of a client that has closed its side before the response: the reset that the first one draws has to come back. */
  secondProbeMs: 500,

  /** Commands to a data store that one connection may have under way while it is watched; pipelines are long. */
  redisInFlight: 16_384,
  /** The same where a client waits for most answers before it goes on. */
  mongoInFlight: 256,
  kafkaInFlight: 1_024,
  /** Aggregates inside one another in a Redis reply. */
  redisDepth: 32,
  /** Beginning of a status, an error or a push that is kept to tell replies apart. */
  redisWordBytes: 32,
  /** Beginning of a key in which its prefix must end. */
  redisKeyPrefixBytes: 64,
  /** An inline command, as the server bounds it. */
  redisInlineBytes: 65_536,
  /** A MongoDB message: the server's own bound on documents of 48 MB, and what stands around them. */
  mongoMessageBytes: 50_331_648,
  /** Names of databases, collections and error codes; longer ones count as unknown. */
  mongoNameBytes: 256,
  /** Beginning of a Kafka message in which everything must stand that is looked at. */
  kafkaPrefixBytes: 1_024,
  /** Beginning of a metadata response in which names of topics are learnt. */
  kafkaMetadataBytes: 65_536,

  /** Peers, and addresses, for which an access policy remembers what it has found out about them. */
  accessPeers: 4_096,
  /** Rules of access policies with series of their own, those of earlier configs included. */
  accessSeries: 4_096,

  /** A bearer token. */
  jwtBytes: 8_192,
  /** Verified tokens that one policy remembers. */
  jwtTokens: 4_096,
  /** Tokens that are being verified, or wait for keys. */
  jwtPending: 1_024,
  /** The keys of one issuer, as text and in number. */
  jwksBytes: 262_144,
  jwksKeys: 64,
  /** Policies and issuers with series of their own, those of earlier configs included. */
  jwtSeries: 256,

  /** Content codings of one body that are undone for inspection. */
  wafCodings: 3,
  /** What a coded body may become, in proportion; up to the second bound the proportion does not matter. */
  wafInflationRatio: 100,
  wafInflationFreeBytes: 65_536,
  /** Hits of one request that are told of. */
  wafHits: 16,
  /** Of inspections that fail in the same policy, the first is reported and then one in so many. */
  wafFailuresPerReport: 1_000,
  /** Policies with series of their own, those of earlier configs included. */
  wafSeries: 1_024,

  /** The key of a rate limit; longer ones are hashed. */
  rateLimitKeyChars: 256,
  /** Questions that may wait for one shared store; at 20 ms each that is far more than one sidecar can ask. */
  rateLimitPending: 8_192,
  /** Refusals of a shared store that one limit remembers. */
  rateLimitDenials: 4_096,
  /** Questions in a row that stay unanswered until a shared store is not asked any more. */
  rateLimitStoreFailures: 5,
  /** A connection to a shared store, from its begin to its first answer. */
  rateLimitStoreConnectMs: 2_000,
  /** Pause before a shared store is tried again; doubles up to the maximum. */
  rateLimitStoreRetryMs: 50,
  rateLimitStoreRetryMaxMs: 5_000,
  /** Limits and shared stores with series of their own, those of earlier configs included. */
  rateLimitSeries: 1_024,

  /** How often deadlines are looked at: the precision of every data-path timeout. */
  deadlineTickMs: 50,
} as const;
