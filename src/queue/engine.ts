import type { EventRecord } from "../system/event-record.ts";

/**
 * The port of the message queue: a durable, partitioned log. It knows nothing of workers, retries
 * or dead letters; those live in the workers' databases, once for every engine.
 *
 * Spans, metrics, argument checks and limits stand in front of it (queue.ts), never in an engine.
 * `millrace/conformance` holds the suite that every engine passes.
 */
export interface QueueEngine {
  /** Fixed when the queue is created. */
  readonly partitions: number;
  /**
   * A random name given to the stored data when it was created. Workers keep it beside their
   * positions: other data under the same address must never be read as a continuation.
   */
  readonly identity: string;
  /**
   * How long an append under load had better wait for more, as a share of what the last one took:
   * for engines whose servers pay much for each append, and little for what is in it. 0 where
   * absent.
   */
  readonly gatherShare?: number;

  /**
   * Stores events. When it resolves, every receipt is durable as it says. One call is atomic per
   * partition, and keeps the order of its events there. An id that its source used before (within
   * the engine's id window) is not stored again: its first receipt comes back, marked duplicate.
   *
   * @throws MR_QUEUE_FULL, MR_QUEUE_BACKLOG, MR_QUEUE_UNAVAILABLE: nothing was stored
   * @throws MR_RESULT_UNKNOWN: it may have been stored; the same ids are safe to append again
   */
  append(requests: readonly AppendRequest[]): Promise<Receipt[]>;

  /**
   * Reads from behind the given positions (partition → last position seen, 0 for the start); only
   * these partitions, only these types where given. See `Subscription`.
   */
  subscribe(cursors: ReadonlyMap<number, number>, options?: SubscribeOptions): Subscription;

  /** Partition → position of its newest event; 0 where none ever was. Never goes down. */
  ends(): Promise<ReadonlyMap<number, number>>;

  /**
   * The position of the last event of a partition accepted before `timeMs`; 0 where there is none.
   * Never below what was trimmed, so that the answer can be subscribed from.
   */
  positionAt(partition: number, timeMs: number): Promise<number>;

  /**
   * Where events with this id stand; several where several sources used it. `event` is absent once
   * the event itself was trimmed but its id is still kept.
   */
  find(id: string, source?: string): Promise<FoundEvent[]>;

  /**
   * Removes the events of a partition up to and including a position. Positions never come again.
   */
  trim(partition: number, position: number): Promise<void>;

  /**
   * Ids that are kept although their events were trimmed, in the order of id and source, from
   * behind the given one; fewer than `limit` at the end only. Absent where only hashes are kept.
   */
  trimmedIds?(after: EventName, limit: number): Promise<FoundEvent[]>;

  /**
   * What `setSeal` had left here when the queue was opened. An engine keeps it and does not heed
   * it: who may use a sealed queue is decided in front (seal.ts).
   */
  readonly seal: string | undefined;

  /** Leaves a text with the data for whoever opens it next, or takes it away; then durable. */
  setSeal(seal: string | undefined): Promise<void>;

  health(): Promise<QueueHealth>;

  /** Lets what runs finish, then lets go of everything. Idempotent. */
  close(): Promise<void>;
}

/** What tells an event from all others. */
export interface EventName {
  readonly id: string;
  readonly source: string;
}

export interface AppendRequest {
  /** `partitionOf(event.key)`: computed in front of the port, the same on every engine. */
  readonly partition: number;
  readonly event: EventRecord;
  /**
   * A hash of what the client sent, kept with the id so that a reused key can be told from a
   * repeat.
   */
  readonly fingerprint?: string;
}

/** How durable an event is: on this machine's disk, on n machines, or (tests only) in memory. */
export type Durability = "memory" | "disk" | `replicated(${number})`;

export interface Receipt {
  readonly id: string;
  readonly partition: number;
  readonly position: number;
  readonly durable: Durability;
  /**
   * Whether every replica has it on its disk, and not only in its memory; absent where there are no
   * replicas, or nobody could tell.
   */
  readonly synced?: boolean;
  /** True where the id was known already; then all else is of the first event. */
  readonly duplicate: boolean;
  /** The fingerprint stored with the first event, on duplicates. */
  readonly fingerprint?: string;
}

export interface SubscribeOptions {
  /** Only events of these types are delivered; the positions of others are passed over and told. */
  readonly types?: ReadonlySet<string>;
}

export interface Subscription {
  /**
   * The next events, each partition's in order of acceptance, at most `limit`. Waits up to `waitMs`
   * for the first one (0: not at all) and wakes within 2 ms of an append by any process; an empty
   * batch is an ordinary answer. Passing over events of other types ends the wait too: no events,
   * but positions. Aborting `signal` or `close` ends it with an empty batch. One call at a time.
   *
   * @throws MR_QUEUE_GAP where events behind a cursor were trimmed before they were read, or where
   *   a cursor is beyond the end (a lost tail); `extra.partition` tells where, `extra.trimmed` how
   *   far
   * @throws MR_QUEUE_DAMAGED where a stored event fails its checksum; `extra` tells where
   */
  next(limit: number, waitMs: number, signal?: AbortSignal): Promise<Batch>;
  close(): Promise<void>;
}

export interface Batch {
  readonly events: readonly QueuedEvent[];
  /**
   * Partition → position up to which this batch reaches, events of other types included; only the
   * partitions where it is further than before. Between the last event and the end it may be a
   * number that no event of the partition has.
   */
  readonly positions: ReadonlyMap<number, number>;
}

/** An event in its place. Positions of a partition grow, but not always by one. */
export interface QueuedEvent {
  readonly partition: number;
  readonly position: number;
  /** When the queue accepted it, milliseconds since 1970. */
  readonly acceptedAt: number;
  readonly event: EventRecord;
}

export interface FoundEvent {
  readonly id: string;
  readonly source: string;
  readonly partition: number;
  readonly position: number;
  readonly acceptedAt: number;
  /** As it was appended, where it was. */
  readonly fingerprint?: string;
  readonly event?: EventRecord;
}

export interface QueueHealth {
  readonly status: "pass" | "warn" | "fail";
  /** A sentence for people. */
  readonly detail: string;
  readonly durable: Durability;
  readonly storedEvents: number;
  readonly storedBytes: number;
  /** When the oldest event that is still stored was accepted, where there is one. */
  readonly oldestAcceptedAt?: number;
}
