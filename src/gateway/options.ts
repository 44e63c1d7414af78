import type { Address } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { RateCounter, RateLimit } from "../lib/rate-counter.ts";
import type { FoundEvent, QueueHealth, Receipt } from "../queue/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { SpanStore } from "../tracing/span-store.ts";
import type { TraceContext, Tracing } from "../tracing/tracing.ts";
import type { WorkerLink } from "../worker/link.ts";
import type { Auth } from "./auth/authenticate.ts";
import type { TrustOf } from "./trust.ts";

/** What a gateway needs of the event producer: hops 3 and 4 happen behind it. */
export interface Publishes {
  publish(events: readonly Publication[], context: TraceContext): Promise<readonly Receipt[]>;
}

export interface Publication {
  readonly event: EventRecord;
  /** SHA-256 of what was sent, where a repeat of the same id must be the same content. */
  readonly fingerprint?: string;
}

/** What a gateway needs of the message queue. */
export interface FindsEvents {
  readonly partitions: number;
  find(id: string, source?: string): Promise<readonly FoundEvent[]>;
  health(): Promise<QueueHealth>;
}

export interface GatewayOptions {
  readonly system: SystemDefinition;
  readonly producer: Publishes;
  readonly queue: FindsEvents;
  /** By name. A worker of the system that is missing here counts as unreachable. */
  readonly workers: ReadonlyMap<string, WorkerLink>;
  readonly tracing: Tracing;
  /** Where `GET /events/{id}/trace` reads; without it that address does not exist. */
  readonly spans?: SpanStore;
  readonly auth: Auth;
  /** Per client, else per address. Absent: no quota. */
  readonly rateLimits?: RateLimit;
  /** What counts for all gateways together; each counts for itself without. */
  readonly rateCounter?: RateCounter;
  readonly listen: Address;
  /**
   * True only where nobody but a proxy of ours can connect: then the client's address
   * (`X-Forwarded-For`) and the event's id (`Millrace-Event-Id`) are taken from what it says.
   * Where others can, it is decided for each request.
   */
  readonly trustProxy: boolean | TrustOf;
  readonly clock: Clock;
  readonly log: Log;
  /** The box's name in logs: `gateway 1`. */
  readonly name: string;
  /** The public address, without a slash at its end; problem types are absolute with it. */
  readonly baseUrl?: string;
  /** Refuses publishing without an Idempotency-Key. */
  readonly idempotencyKeyRequired?: boolean;
  /**
   * How long `stop` goes on serving while `/readyz` says 503, so that balancers look away first.
   */
  readonly drainDelayMs?: number;
  /** How long `stop` waits for what runs. */
  readonly drainMs: number;
}
