import type { CacheEngine } from "../cache/engine.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import type { Auth } from "../gateway/auth/authenticate.ts";
import type { Address } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { QueueEngine } from "../queue/engine.ts";
import type { SystemDefinition } from "../system/system.ts";

export interface AdminOptions {
  /** The names of the system's workers, in its order. */
  readonly workerNames: readonly string[];
  /** A worker's database, beside its instances. Asked for once, when it is first looked at. */
  database(worker: string, place: string): Promise<DatabaseEngine>;
  /** Which of a worker's databases is in use: another one once it was rebuilt. */
  databasePlace(worker: string): Promise<string>;
  queue(): Promise<QueueEngine>;
  /** A new, empty one: a dry run throws it away. */
  cache(): Promise<CacheEngine>;
  /** Loads the application, for what takes its schemas and handlers. */
  application(): Promise<SystemDefinition>;
  readonly auth: Auth;
  readonly listen: Address;
  readonly clock: Clock;
  readonly log: Log;
  /** The public address, without a slash at its end; problem types are absolute with it. */
  readonly baseUrl?: string;
  /** How long `stop` waits for what runs. */
  readonly drainMs: number;
  /** Called where a database broke in such a way that the process must end and begin anew. */
  readonly onFatal: (error: Error) => void;
}
