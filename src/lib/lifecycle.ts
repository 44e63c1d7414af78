/**
 * The one lifecycle of everything that runs. `stop` drains, is idempotent, works before `start`,
 * and keeps a deadline of its own.
 */
export interface Service extends AsyncDisposable {
  start(): Promise<void>;
  stop(): Promise<void>;
}
