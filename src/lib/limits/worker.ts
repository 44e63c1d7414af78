/** What a worker does with events, and the databases and caches that it does it with. */
export const workerLimits = {
  // Worker.
  /**
   * Batches that one process handles at a time, where the database lets it. Most of a batch's time
   * is waiting for the server; more than a few compete for the one processor that Node uses.
   */
  lanes: 4,
  passEventsMax: 256,
  /** While at least so many events come with each pass, passes are this far apart. */
  gatherEventsMin: 8,
  gatherMs: 5,
  /** A reader that has caught up looks again after this, even when no bell rang. */
  idleWaitMs: 1_000,
  leaseMs: 3_000,
  heartbeatMs: 1_000,
  handlerTimeoutMs: 30_000,
  attemptsMax: 8,
  backoffFirstMs: 200,
  backoffMaxMs: 300_000,
  /** What a handler may ask for: more would be a line that nobody ever sees move. */
  attemptsPerEventMax: 100,
  delayMaxMs: 30 * 24 * 3_600_000,
  /** A tick of a schedule that nobody settled within this time has been missed. */
  tickMissedMs: 60_000,
  /** Missed ticks that are made up for in one transaction. */
  ticksAtOnceMax: 1_000,
  tickRetryMs: 10_000,
  /** How far ahead an event may be scheduled: a year, and a day more for leap years. */
  deliveryDelayMaxMs: 366 * 24 * 3_600_000,
  /** An error is kept for people: so much of its message, its stack and its causes. */
  failureMessageLengthMax: 4_096,
  failureStackLengthMax: 16_384,
  failureCausesMax: 5,
  /** A longer line stops its partition, so that the queue keeps what the worker cannot handle. */
  parkedPerKeyMax: 10_000,
  parkedPerPartitionMax: 100_000,
  /** After so many claimed ids, twice as many of those that are kept are checked for their age. */
  inboxSweepIds: 1_000,
  /** Where little happens, old ids and touches are removed this often. */
  pruneIntervalMs: 10_000,
  inboxMs: 8 * 24 * 3_600_000,
  outboxRelayEventsMax: 960,
  prepareConcurrencyMax: 32,
  /** The wall clock was set back where it lags behind the steady one by more than this. */
  clockSetBackMs: 2_000,
  /** Positions of events that a worker passes over are written this often, not at each batch. */
  passedOverWriteMs: 200,
  /** Who waits for a partition of another instance looks into the database this often. */
  progressPollMs: 20,
  dependencyBackoffMaxMs: 5_000,

  /**
   * Between gateway and worker: what one gateway asks one instance at a time; the rest waits.
   */
  linkQuestionsMax: 1_024,
  /** A path and query string, and positions: what the gateway takes of them, in one line. */
  questionLengthMax: 32_768,
  /** How long the system's own servers keep idle connections. */
  linkKeepAliveMs: 60_000,
  /** Within one network a connection takes milliseconds; a lost packet is sent again after 1 s. */
  linkConnectMs: 1_500,
  /** So many failures in a row, and an instance gets no requests until it says that it is ready. */
  linkFailuresMax: 3,
  /** How often a broken instance is asked, and how often is looked who owes an answer. */
  linkProbeMs: 500,
  /** An instance that owes an answer and says nothing for so long is asked for its health. */
  linkPatienceMs: 1_000,
  /** As long as a lease: an instance that is silent for longer has lost its partitions, too. */
  linkSilenceMs: 3_000,
  /** Handlers of one batch at a time: by then the way to a server and back weighs nothing. */
  handlersAtOnceMax: 64,
  /** A batch that others have undone so often runs alone, as do so many at most behind it. */
  conflictsMax: 3,
  aloneBatchesMax: 64,

  // Database.
  /** Kept per connection, by their text. Handlers have tens; texts with lists in them have many. */
  preparedStatementsMax: 500,
  /**
   * A commit that finds so many pages in the WAL writes them into the file, and keeps whoever comes
   * next waiting. SQLite's own 1,000 take 10 to 20 ms; these take a few, and no more together.
   */
  checkpointPages: 200,
  /** Texts of inserts that are kept, by table, columns and number of rows. */
  insertTextsMax: 500,
  /** Other instances wait at start while one migrates; a large table takes minutes to rebuild. */
  migrationWaitMs: 600_000,
  databaseConnectMs: 5_000,
  /** Sessions of one process that only read: more would wait for the server's processors anyway. */
  databaseReadersMax: 8,
  /** A statement of the framework's own that is silent for so long has nobody at its other end. */
  databaseStatementMs: 60_000,
  /** How long a rollback waits for a statement that still runs, before its session is ended. */
  databaseRollbackMs: 500,
  /**
   * PostgreSQL ends a session that is idle in its transaction for so long: a process that was
   * stopped must not hold its locks. One that lives says so, several times within it.
   */
  databaseIdleMs: 10_000,
  databasePingMs: 3_000,
  /** How long opening a file may block for the checkpoint of a process that opens it as well. */
  openCheckpointMs: 1_000,

  // Cache.
  cacheBytesMax: 64 * 1_048_576,
  cacheEntryMs: 300_000,
  touchesKeptMax: 10_000,
  /** Touched keys that a memory cache remembers, to refuse fills from before. */
  tombstonesMax: 100_000,
  keysTouchedPerEventMax: 10_000,
  /** Keys stand in the log of touches and, as tombstones, in memory. */
  cacheKeyLengthMax: 1_024,
  /** While a shared cache is gone, keys stay blocked; how often their release is tried again. */
  releaseRetryMs: 500,
  /** A store that answers later than this is as good as gone: the database is faster. */
  storeAnswerMs: 500,
  /** So long a shared store may fail before all instances go on without it. */
  storeGoneMs: 1_000,
  /** So long an instance reads a shared store without asking the database whether it may. */
  storeTrustMs: 1_000,
  /** So long after a store was given up nothing is committed: more than `storeTrustMs`. */
  storeDistrustMs: 1_500,
  /** How soon a new store is begun, so that one instance that cannot reach it does not end many. */
  storeReopenMs: 2_000,
  /** A block that is older was left by a crash: a commit takes a fraction of it. */
  keyBlockedMs: 10_000,
  /** The fence of a shared store outlives every value, and every read. */
  storeStateMs: 86_400_000,
  /** Touches are remembered in so many groups of keys; of one key the others suffer little. */
  storeBuckets: 4_096,
  /** More keys at once would keep a shared store from its other callers for milliseconds. */
  storeKeysPerCall: 500,
  /** A connection that brings nothing for so long, not even an answer to a ping, is dead. */
  storeSilenceMs: 5_000,
  storePingMs: 1_500,
  /** How long a lost connection waits before it is tried again, at most. */
  storeReconnectMs: 500,
} as const;
