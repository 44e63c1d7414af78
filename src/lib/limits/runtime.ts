/** Processes, the hosts that they run on, and what is told of them. */
export const runtimeLimits = {
  // Processes.
  drainMs: 10_000,
  startTimeoutMs: 15_000,
  /** While a box waits for a server at its start: soon enough to go unnoticed, and no load. */
  startRetryMs: 500,
  restartDelayBaseMs: 100,
  restartDelayMaxMs: 10_000,
  /** A process that ran this long before it ended begins again with the shortest delay. */
  restartForgottenMs: 30_000,
  /** Each process tells its supervisor this often that its event loop turns. */
  aliveIntervalMs: 1_000,
  /** Silent for this long, a process hangs, and is begun anew. Longer than a slow collection. */
  aliveTimeoutMs: 10_000,
  /** Before its first word it loads its code: for long, where many processes begin at once. */
  loadTimeoutMs: 60_000,
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
  /** Of a gateway that is ready and gets no requests, so many probes are left out at a time. */
  probesLeftOutMax: 3,
  probeTimeoutMs: 1_000,
  ejectAfterFailures: 2,
  ejectionMs: 1_000,

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

  // Tracing: a trace is decided once, where a request enters.
  tracesPerSecondMax: 20,
  /** What others sampled is honoured; this bounds what they can make one process record. */
  tracesContinuedPerSecondMax: 500,
  /** Of the events of one request: spans cost more than what they describe. */
  tracedEventsMax: 10,
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
} as const;
