/**
 * Every bound of the system, once, each with its reason. A name ends in its unit; counts end in
 * Max. What a user may change is a setting (runtime/config.ts) whose default stands here.
 */
export const limits = {
  // Events.
  /**
   * Names of events, workers and queries: they become addresses, metric labels and table values.
   */
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

  // Producer: events that wait together are appended together, and no more wait than memory allows.
  /** Of one partition at worst, and then no more than NATS stores together (natsBatchEventsMax). */
  appendBatchEventsMax: 960,
  /** How far apart appends begin under load: a fraction of what a request takes then anyway. */
  appendGatherMs: 2,
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
  /** The WAL is written into the file about this often: rarer stalls less, longer reads slower. */
  checkpointBytes: 8 * 1_048_576,
  /** The ballast is written this long after the start: the first requests need the disk more. */
  ballastDelayMs: 1_000,
  /** One batch that is read holds about so much data, however many events were asked for. */
  readBatchBytesMax: 8 * 1_048_576,
  /** Events looked at without a pause while reading or trimming: a few milliseconds of work. */
  scanEventsMax: 10_000,
  /**
   * After so many new events, as many and as many again of the kept ids are checked for their age.
   */
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

  // Move.
  /** Ids that a queue is asked for at a time. */
  moveQuestionsMax: 32,
  /** Well within idWindowMs: until then what was appended is known to the target by its id. */
  moveResumeMs: 12 * 3_600_000,

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

  // Several hosts.
  /** Names are looked up again this often: hosts come and go behind them. */
  resolveIntervalMs: 5_000,
  /** A secret that can be guessed is none: this many characters of base64 or hex cannot. */
  secretLengthMin: 32,
  /** Whoever is refused for want of the secret is told of in the log this often at most. */
  refusalLogMs: 10_000,
  /**
   * How long a gateway that other hosts reach goes on serving while it says that it is not ready:
   * two probes of whoever is in front of it.
   */
  drainDelayMs: 1_000,
  /** Spans for another host: better lost than that many wait in memory for an answer. */
  spanSendMs: 3_000,
  /** One batch of spans on its way to another host: a few hundred of them. */
  spanBodyBytesMax: 4 * 1_048_576,

  // Database.
  /** Kept per connection, by their text. Handlers have tens; texts with lists in them have many. */
  preparedStatementsMax: 500,
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

  // Tracing: a trace is decided once, where a request enters.
  tracesPerSecondMax: 20,
  /** What others sampled is honoured; this bounds what they can make one process record. */
  tracesContinuedPerSecondMax: 500,
  spansKeptMax: 200_000,
  spanFlushMs: 100,
  spanBufferMax: 10_000,
  /** Spans written in one transaction: a few milliseconds in which the event loop stands still. */
  spanWriteRowsMax: 256,
  /** How long stopping waits for the last spans to be stored. */
  spanStopMs: 1_000,
  /** What a trace gives when it is read; one that a client uses for all its requests never ends. */
  spansPerTraceMax: 10_000,
  /** No new span for so long, and a trace counts as whole: every process has flushed since. */
  traceSettleMs: 300,
  traceLookUpMs: 3_000,

  // Processes.
  drainMs: 10_000,
  startTimeoutMs: 15_000,
  restartDelayBaseMs: 100,
  restartDelayMaxMs: 10_000,
  /** A process that ran this long before it ended begins again with the shortest delay. */
  restartForgottenMs: 30_000,
  /** Each process tells its supervisor this often that its event loop turns. */
  aliveIntervalMs: 1_000,
  /**
   * Silent for this long, a process hangs: killed and started again. Longer than a slow collection.
   */
  aliveTimeoutMs: 10_000,
  /** A signal for all processes of a group reaches the supervisor within this of its boxes. */
  groupSignalMs: 200,
  /** After its drain deadline a process gets this long to end before it is killed. */
  killAfterMs: 2_000,
  retentionIntervalMs: 60_000,
  /**
   * Under `dev`: files that change within this time are one change; and nobody waits long for it.
   */
  devSettleMs: 80,
  devDrainMs: 1_000,
  /**
   * A process's room for young objects (V8's semi-space). Without room for what lives as long as a
   * batch does, half of that is copied several times under load; under `dev` there is no load, and
   * an idle process keeps what it once used.
   */
  youngMegabytes: 32,
  devYoungMegabytes: 4,
  /** Dead letters that are changed in one transaction, beside the worker's own. */
  deadLetterPageMax: 100,
  /** Answers of the admin port that are made at a time: each may hold a page of dead letters. */
  adminRequestsMax: 32,
  /** What one answer of the admin port lists: each letter holds an event and its errors. */
  deadLettersListedMax: 100,
  /** How many events behind a worker `millrace queue status` counts at most. */
  lagCountedMax: 100_000,
  /** What `millrace events list` keeps in memory at most. */
  listedEventsMax: 10_000,
  /**
   * The kernel's limit for the path of a Unix socket is 108 (Linux) or 104 (macOS), with the end's
   * 0.
   */
  socketPathBytesMax: 103,
  /** What a box's name adds to it: `/worker-` and a worker's name, a number and `.sock`. */
  socketNameBytesMax: 40,
  probeIntervalMs: 500,
  probeTimeoutMs: 1_000,
  ejectAfterFailures: 2,
  ejectionMs: 1_000,
} as const;
