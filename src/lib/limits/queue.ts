/** The way of an event into its queue, and what the queue keeps. */
export const queueLimits = {
  // Producer: events that wait together are appended together, and no more wait than memory allows.
  /** Of one partition at worst, and then no more than NATS stores together (natsBatchEventsMax). */
  appendBatchEventsMax: 960,
  /** How far apart appends begin under load: a fraction of what a request takes then anyway. */
  appendGatherMs: 2,
  /** And at most, where a share of the last append's time is waited (`gatherShare`). */
  appendGatherMaxMs: 20,
  appendWaitingEventsMax: 20_000,
  appendWaitingBytesMax: 67_108_864,
  appendTimeoutMs: 5_000,

  // Queue.
  partitions: 16,
  partitionsMax: 1_024,
  /** SQLite's own busy handler sleeps up to 100 ms a step; ours waits this long (measured). */
  busyRetryMs: 0.2,
  busyTimeoutMs: 5_000,
  /**
   * An id seen within this time answers with its first receipt. The published Idempotency-Key life.
   */
  idWindowMs: 24 * 3_600_000,
  retentionMs: 7 * 24 * 3_600_000,
  retentionBytesMax: 10 * 1_073_741_824,
  ballastBytes: 64 * 1_048_576,
  /** Free space below which appends are refused (MR_QUEUE_FULL); they resume at 1.5 times it. */
  diskLowBytes: 128 * 1_048_576,
  walBytesMax: 32 * 1_048_576,
  /**
   * Stored events beyond this are refused (MR_QUEUE_BACKLOG): a worker lags so that nothing is
   * trimmed.
   */
  queueBytesMax: 20 * 1_073_741_824,
  /**
   * The WAL is written into the file after so many bytes of events, or so many appends, each of
   * which writes some pages however few its events are. Appends wait for it, so each time is short.
   */
  checkpointBytes: 4 * 1_048_576,
  checkpointAppends: 100,
  /** The ballast is written this long after the start: the first requests need the disk more. */
  ballastDelayMs: 1_000,
  /** One batch that is read holds about so much data, however many events were asked for. */
  readBatchBytesMax: 8 * 1_048_576,
  /** Events looked at without a pause while reading or trimming: a few milliseconds of work. */
  scanEventsMax: 10_000,
  /** After so many new events, twice as many of the kept ids are checked for their age. */
  idSweepEvents: 1_000,
  /**
   * A reader on the event loop waits at most this long for a lock, which is only ever held briefly.
   */
  readLockMs: 250,
  /** Where the bell cannot be watched (no more inotify watches), readers look this often. */
  bellPollMs: 10,
  /** Without the bell of a server, readers ask it this often, and the bell is tried this often. */
  queuePollMs: 50,
  queueBellRetryMs: 500,

  // Queue on NATS.
  /** A batch of the server's has 1,000 messages; packs stand in it beside a claim of each event. */
  natsBatchEventsMax: 960,
  natsBatchBytesMax: 8 * 1_048_576,
  /** A message's room for its headers, of which ours are few. */
  natsHeaderBytesMax: 512,
  /** Electing a leader takes up to nine seconds, and may take two rounds. */
  natsRetryMs: 20_000,
  /** A server that stands still is found out by this; trying again is safe. */
  natsRequestMs: 3_000,
  natsConnectMs: 2_000,
  /** Nobody else is elected to lead a stream before its leader was silent for this long. */
  natsElectionMs: 4_000,
  natsReconnectMs: 250,
  /** Two silent answers, and a server counts as gone: before its peers' patience ends. */
  natsPingMs: 2_000,
  /** A reader that finds nobody asks again after this. */
  natsReadRetryMs: 200,
  /** How long one request for messages waits at the server; silence for half of it ends it. */
  natsFetchMs: 5_000,
  natsConsumerIdleMs: 60_000,
  /** What an event takes beside its data: attributes, names, headers. */
  natsEventRoomBytes: 65_536,
  /** Clocks further apart make times of acceptance hard to compare. */
  natsClockApartMs: 2_000,
  /** What several batches at a time are good for: the next one travels while one is synced. */
  natsBatchesAtOnceMax: 4,
  /** A machine that is busy, as while all boxes start, is given so many connections' time. */
  natsConnectTriesMax: 3,
  /** Of a try after one without an answer: what was stored all the same, the next one finds. */
  natsRetryRequestMs: 1_000,
  /** A new leader is told of a moment before it listens. */
  natsElectedPauseMs: 100,

  // Move.
  /** Ids that a queue is asked for at a time. */
  moveQuestionsMax: 32,
  /** Well within idWindowMs: until then what was appended is known to the target by its id. */
  moveResumeMs: 12 * 3_600_000,
} as const;
