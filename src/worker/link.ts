/**
 * How others reach a worker: the gateway asks its queries and where an event stands, retention asks
 * how far it has come. The worker itself is one (in one process), and so is a client over HTTP.
 */
export interface WorkerLink {
  readonly name: string;

  /**
   * Runs a query. `search` is the raw query string of the request; `after` are positions that the
   * worker must have applied first. It ends early where any of the signals aborts.
   *
   * @returns the answer as JSON text
   * @throws MR_QUERY_UNKNOWN, MR_INPUT_INVALID, MR_AFTER_TIMEOUT, MR_QUERY_FAILED,
   * MR_WORKER_UNAVAILABLE
   */
  query(
    name: string,
    search: string,
    after: readonly Place[],
    ...signals: readonly AbortSignal[]
  ): Promise<string>;

  /**
   * Where an event stands at this worker. Waits up to `waitMs` for it to be done or dead.
   *
   * @throws MR_WORKER_UNAVAILABLE
   */
  standing(place: Place, waitMs: number, signal?: AbortSignal): Promise<Standing>;

  /**
   * Cancels an event that waits for its time of delivery. Where its place is known, the worker is
   * first waited for until it has come there. Resolves true where it is cancelled, now or before;
   * false where the worker has nothing of it that waits for its time.
   *
   * @throws MR_AFTER_TIMEOUT, MR_WORKER_UNAVAILABLE
   */
  cancel(scheduled: ScheduledId, place?: Place, signal?: AbortSignal): Promise<boolean>;

  /** How far the worker has come, over all its instances. */
  progress(signal?: AbortSignal): Promise<Progress>;
}

/** Where an event is in the queue. */
export interface Place {
  readonly partition: number;
  readonly position: number;
}

/** Which scheduled event is meant. */
export interface ScheduledId {
  readonly id: string;
  /** Where it is left out, the events of this id of all sources. */
  readonly source?: string;
}

/** `7:1` */
export const formatPlace = ({ partition, position }: Place): string => `${partition}:${position}`;

/** Where an event stands at one worker. A closed set. */
export type Standing =
  | { readonly state: "waiting" }
  /** Its time of delivery is still to come; RFC 3339. */
  | { readonly state: "scheduled"; readonly at: string }
  | { readonly state: "cancelled" }
  | { readonly state: "done" }
  | {
      readonly state: "retrying";
      readonly attempts: number;
      /** RFC 3339. */
      readonly nextAttemptAt: string;
      readonly error: string;
    }
  /** Its key is parked: it waits behind the event of this id. */
  | { readonly state: "behind"; readonly eventId: string }
  | { readonly state: "dead"; readonly attempts: number; readonly error: string };

export interface Progress {
  /** Partition → position up to which everything is applied, parked, or a dead letter. */
  readonly positions: Readonly<Record<string, number>>;
  readonly instances: readonly InstanceProgress[];
  readonly parkedEvents: number;
  readonly deadLetters: number;
}

export interface InstanceProgress {
  readonly instance: string;
  readonly partitions: readonly number[];
}
