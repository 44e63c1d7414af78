/** What a publisher gets once its event is durable. */
export interface Receipt {
  readonly id: string;
  readonly partition: number;
  readonly position: number;
  /** `disk`, `replicated(n)`, or `memory`. */
  readonly durable: string;
  /** Whether a replica counts once its disk has it; absent where nobody can tell. */
  readonly synced?: boolean;
  /** The id or key was known; all else is of the first event. */
  readonly duplicate?: true;
}

/** What a publisher of many gets once they are durable. */
export interface Receipts {
  readonly accepted: number;
  readonly duplicates: number;
  /** Left out for very many events. */
  readonly receipts?: readonly Receipt[];
  /** Partition → the highest position. */
  readonly positions: Readonly<Record<string, number>>;
}

/** Where an event stands at one worker. */
export interface Standing {
  readonly state:
    | "waiting"
    | "scheduled"
    | "cancelled"
    | "done"
    | "retrying"
    | "behind"
    | "dead"
    | "unknown";
  /** When a scheduled event will be delivered, RFC 3339. */
  readonly at?: string;
  readonly attempts?: number;
  /** RFC 3339. */
  readonly nextAttemptAt?: string;
  /** The event behind which this one waits. */
  readonly eventId?: string;
  readonly error?: string;
}

export interface EventStatus {
  readonly id: string;
  readonly source: string;
  readonly type?: string;
  readonly key?: string;
  /** RFC 3339. */
  readonly time?: string;
  readonly acceptedAt: string;
  readonly partition: number;
  readonly position: number;
  readonly state: "pending" | "scheduled" | "done" | "dead" | "cancelled";
  readonly workers: Readonly<Record<string, Standing>>;
}

export interface PublishOptions {
  /** The event's id, where the client has one of its own; with `source` it identifies the event. */
  readonly id?: string;
  /** Who the id is unique for, a URI reference; `/client` where only an id is given. */
  readonly source?: string;
  /** A repeat with the same key returns the first receipt. One is made where none is given. */
  readonly idempotencyKey?: string;
  /** The event is delivered at this time, not before; until then it can be cancelled. */
  readonly at?: Date;
  /** Waits so long for all workers to apply the event before the receipt comes. */
  readonly waitSeconds?: number;
  readonly signal?: AbortSignal;
}

export interface QueryOptions {
  /** The worker answers once it has applied these: a client reads its own writes. */
  readonly after?: Receipt | readonly Receipt[];
  readonly signal?: AbortSignal;
}

export interface WaitOptions {
  /** The event's source, where several sources used its id. */
  readonly source?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}
