/** What comes in over HTTP: events, requests, connections. */
export const httpLimits = {
  // Events.
  /** Names of events, workers and queries: they become addresses, labels and table values. */
  nameLengthMax: 100,
  /** Ids, sources and keys are indexed; longer ones make every page of an index worse. */
  idBytesMax: 255,
  sourceBytesMax: 512,
  keyBytesMax: 512,
  /** One event's data. CloudEvents asks intermediaries for 64 KiB; ours is the body limit. */
  dataBytesMax: 1_048_576,
  /** Deep documents cost stack in every parser they meet. */
  jsonDepthMax: 64,
  /** An event that causes an event that causes …: a loop shows itself before it fills the queue. */
  emitDepthMax: 50,
  /** What one handler run may emit: the outbox is written in the handler's transaction. */
  emittedPerEventMax: 1_000,

  // HTTP, at balancer and gateway alike.
  bodyBytesMax: 1_048_576,
  headerBytesMax: 16_384,
  headerCountMax: 100,
  urlBytesMax: 8_192,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  bodyIdleMs: 10_000,
  keepAliveMs: 5_000,
  requestsPerConnectionMax: 10_000,
  connectionsMax: 10_000,
  connectionsPerAddressMax: 1_000,
  /** How often what waits is compared with its time; a limit is kept to within this. */
  timeoutCheckMs: 1_000,
  /** Requests sent ahead on a connection wait for their turn; nobody needs more of them. */
  pipelinedRequestsMax: 256,
  /** CloudEvents batch: parsed whole, checked whole, appended whole. */
  batchEventsMax: 1_000,
  /** NDJSON is streamed: this many lines are checked and appended together. */
  ndjsonChunkLinesMax: 500,
  ndjsonBytesMax: 1_073_741_824,
  /** Beyond this an answer tells counts and positions, no single receipts. */
  receiptsPerAnswerMax: 10_000,
  preferWaitSecondsMax: 30,
  afterWaitMs: 10_000,

  // Gateway only.
  /** Path parameters are ids, percent-encoded: three bytes for each of an id. */
  pathParameterLengthMax: 1_024,
  /** A body that brings less than this in `bodyIdleMs` is not coming: the minimum rate. */
  bodyBytesPerIdleMin: 1_024,
  /**
   * Lines of a chunk are held together with their parsed values; long lines make smaller chunks.
   */
  ndjsonChunkBytesMax: 4_194_304,
  /** A stream waits for the queue (back-pressure), so its time is its own and not a request's. */
  ndjsonTimeoutMs: 600_000,
  /** How long the rest of a refused body is thrown away, so that the client reads the answer. */
  lingerMs: 1_000,
  extensionsMax: 64,
  idempotencyKeyLengthMax: 255,
  /** Requests under way in one gateway: each holds a body and a promise. */
  requestsInFlightMax: 10_000,
  /** A loop that is this late serves nobody in time: better to say so than to queue more. */
  eventLoopDelayMaxMs: 1_000,
  /** Looked at this often: rarely enough to let an idle process sleep. */
  loopWatchMs: 500,
  tokenBytesMax: 8_192,
  apiKeysMax: 10_000,
  /** Two keys of one client may live at a time: the old and the new one of a rotation. */
  apiKeysPerClientMax: 2,
  apiKeysRereadMs: 1_000,
  jwksTimeoutMs: 5_000,
  /** A forged `kid` must not make us fetch the issuer's keys again and again. */
  jwksCooldownMs: 30_000,
  jwksCacheMs: 600_000,

  // Balancer.
  /** All bodies kept for a second attempt. Beyond it bodies are streamed on, and tried once. */
  replayBytesMax: 256 * 1_048_576,
  /** Answers up to this are passed on whole: one that breaks off can still come from elsewhere. */
  answerHeldBytesMax: 65_536,
  /** How many gateways a request may break before it is taken for the reason. */
  attemptsSentMax: 3,
  /**
   * Below what a gateway lets one address open (connectionsPerAddressMax), with room for probes.
   */
  gatewayConnectionsMax: 900,
  gatewayConnectMs: 1_000,
  /** Below the gateway's keepAliveMs, so that it is not the gateway that closes first. */
  gatewayIdleMs: 4_000,
  /** Above what an answer may wait for: preferWaitSecondsMax, and an append behind it. */
  gatewayAnswerMs: 45_000,
  /** A gateway silent for so long within an answer has gone; event streams send comments. */
  answerSilenceMs: 120_000,
  /** A client that takes nothing of its answer for so long has gone. */
  answerTakenMs: 30_000,
  /**
   * Probes show when a gateway is back; what grows is how long one that fails again is left alone.
   */
  ejectionMaxMs: 30_000,
  /** Ready for so long, a gateway's earlier ejections no longer count. */
  ejectionForgetMs: 60_000,
} as const;
