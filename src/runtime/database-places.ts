/**
 * Where the workers' databases lie: a file or a schema each. A rebuild makes another one, and then
 * puts it in the place of the one in use.
 */
export interface DatabasePlaces {
  /** The place of a worker's database, which need not exist. */
  inUse(worker: string): Promise<string>;
  /** A place for a new database, which is not in use; what a former attempt left is removed. */
  another(worker: string): Promise<string>;
  /** Makes a place the worker's database, at once or not at all, and for good. */
  use(worker: string, place: string): Promise<void>;
  /** Removes a database that nobody has open. */
  remove(place: string): Promise<void>;
  /** The workers that have a database, by name. */
  workers(): Promise<string[]>;
}
