/**
 * Every bound of the system, once, each with its reason. A name ends in its unit; counts end in Max.
 * What a user may change is a setting (runtime/config.ts) whose default stands here.
 */
export const limits = {
  // Events.
  /** Names of events, workers and queries: they become addresses, metric labels and table values. */
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
  /** CloudEvents batch: parsed whole, checked whole, appended whole. */
  batchEventsMax: 1_000,
  /** NDJSON is streamed: this many lines are checked and appended together. */
  ndjsonChunkLinesMax: 500,
  ndjsonBytesMax: 1_073_741_824,
  /** Beyond this an answer tells counts and positions, no single receipts. */
  receiptsPerAnswerMax: 10_000,
  preferWaitSecondsMax: 30,
  afterWaitMs: 10_000,

  // Producer: events that wait together are appended together, and no more wait than memory allows.
  appendBatchEventsMax: 1_024,
  appendWaitingEventsMax: 20_000,
  appendWaitingBytesMax: 67_108_864,
  appendTimeoutMs: 5_000,

  // Queue.
  partitions: 16,
  partitionsMax: 1_024,
  /** SQLite's own busy handler sleeps up to 100 ms a step; ours waits this long (measured). */
  busyRetryMs: 0.2,
  busyTimeoutMs: 5_000,
  /** An id seen within this time answers with its first receipt. The published Idempotency-Key life. */
  idWindowMs: 24 * 3_600_000,
  retentionMs: 7 * 24 * 3_600_000,
  retentionBytesMax: 10 * 1_073_741_824,
  ballastBytes: 64 * 1_048_576,
  /** Free space below which appends are refused (MR_QUEUE_FULL); they resume at 1.5 times it. */
  diskLowBytes: 128 * 1_048_576,
  walBytesMax: 32 * 1_048_576,

  // Worker.
  passEventsMax: 256,
  /** A reader that has caught up looks again after this, even when no bell rang. */
  idleWaitMs: 1_000,
  leaseMs: 3_000,
  heartbeatMs: 1_000,
  handlerTimeoutMs: 30_000,
  attemptsMax: 8,
  backoffBaseMs: 200,
  backoffMaxMs: 300_000,
  parkedPerKeyMax: 10_000,
  parkedPerPartitionMax: 100_000,
  inboxMs: 8 * 24 * 3_600_000,
  outboxRelayEventsMax: 1_000,
  prepareConcurrencyMax: 32,
  /** Positions of events that a worker passes over are written this often, not at each batch. */
  passedOverWriteMs: 200,
  dependencyBackoffMaxMs: 5_000,

  // Cache.
  cacheBytesMax: 64 * 1_048_576,
  cacheEntryMs: 300_000,
  touchesKeptMax: 10_000,
  keysTouchedPerEventMax: 10_000,

  // Tracing: a trace is decided once, where a request enters.
  tracesPerSecondMax: 20,
  spansKeptMax: 200_000,
  spanFlushMs: 100,
  spanBufferMax: 10_000,

  // Processes.
  drainMs: 10_000,
  startTimeoutMs: 15_000,
  restartDelayBaseMs: 100,
  restartDelayMaxMs: 10_000,
  probeIntervalMs: 500,
  probeTimeoutMs: 1_000,
  ejectAfterFailures: 2,
  ejectionMs: 1_000,
} as const;
