import type { DatabaseEngine } from "../database/engine.ts";
import { type OpenedWorker, unknownWorker } from "../worker/redrive.ts";
import { prepareBookkeeping } from "../worker/tables.ts";
import type { AdminOptions } from "./options.ts";

type WorkersOptions = Pick<AdminOptions, "workerNames" | "database" | "databasePlace">;

interface Opened {
  readonly place: string;
  readonly database: Promise<DatabaseEngine>;
}

/**
 * The workers' databases, each opened when somebody first looks at it, and kept open until another
 * takes its place.
 */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #opened = new Map<string, Opened>();

  constructor(options: WorkersOptions) {
    this.#options = options;
  }

  /** @throws MR_WORKER_UNKNOWN, MR_DATABASE_UNAVAILABLE */
  async one(name: string): Promise<OpenedWorker> {
    const { databasePlace, workerNames } = this.#options;
    if (!workerNames.includes(name)) throw unknownWorker(name, workerNames);
    const place = await databasePlace(name);
    let opened = this.#opened.get(name);
    if (opened?.place !== place) {
      opened = { place, database: this.#open(name, place) };
      this.#opened.set(name, opened);
      // What could not be opened this time can be the next.
      opened.database.catch(() => this.#opened.delete(name));
    }
    return { name, database: await opened.database };
  }

  /** The one that is named, else all, in the system's order. */
  async chosen(name?: string): Promise<readonly OpenedWorker[]> {
    const names = name === undefined ? this.#options.workerNames : [name];
    return await Promise.all(names.map((each) => this.one(each)));
  }

  /** The worker itself may not have been started yet. */
  async #open(name: string, place: string): Promise<DatabaseEngine> {
    const database = await this.#options.database(name, place);
    await prepareBookkeeping(database);
    return database;
  }
}
