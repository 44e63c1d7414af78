import type { Clock } from "../../lib/clock.ts";
import type { ArrivalWatch } from "../../lib/http/arrival-watch.ts";
import type { Log } from "../../lib/log.ts";
import type { SystemDefinition } from "../../system/system.ts";
import type { SpanStore } from "../../tracing/span-store.ts";
import type { WorkerLink } from "../../worker/link.ts";
import type { Guard } from "../guard.ts";
import type { Identities } from "../idempotency.ts";
import type { FindsEvents } from "../options.ts";
import type { Publisher } from "../publisher.ts";
import type { Standings } from "../standings.ts";

/** What routes are made with. */
export interface RouteTools {
  readonly system: SystemDefinition;
  readonly guard: Guard;
  readonly publisher: Publisher;
  readonly identities: Identities;
  readonly standings: Standings;
  readonly queue: FindsEvents;
  readonly workers: ReadonlyMap<string, WorkerLink>;
  readonly spans: SpanStore | undefined;
  readonly arrivals: ArrivalWatch;
  readonly clock: Clock;
  readonly log: Log;
}
