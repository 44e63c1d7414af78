import type { DatabaseEngine } from "../database/engine.ts";
import { type OpenedWorker, unknownWorker } from "../worker/redrive.ts";
import { prepareBookkeeping } from "../worker/tables.ts";
import type { AdminOptions } from "./options.ts";

/** The workers' databases, each opened when somebody first looks at it, and kept open. */
export class Workers {
  readonly #options: Pick<AdminOptions, "workerNames" | "database">;
  readonly #opened = new Map<string, Promise<DatabaseEngine>>();

  constructor(options: Pick<AdminOptions, "workerNames" | "database">) {
    this.#options = options;
  }

  /** @throws MR_WORKER_UNKNOWN, MR_DATABASE_UNAVAILABLE */
  async one(name: string): Promise<OpenedWorker> {
    const { workerNames } = this.#options;
    if (!workerNames.includes(name)) throw unknownWorker(name, workerNames);
    let opening = this.#opened.get(name);
    if (opening === undefined) {
      opening = this.#open(name);
      this.#opened.set(name, opening);
      // What could not be opened this time can be the next.
      opening.catch(() => this.#opened.delete(name));
    }
    return { name, database: await opening };
  }

  /** The one that is named, else all, in the system's order. */
  async chosen(name?: string): Promise<readonly OpenedWorker[]> {
    const names = name === undefined ? this.#options.workerNames : [name];
    return await Promise.all(names.map((each) => this.one(each)));
  }

  /** The worker itself may not have been started yet. */
  async #open(name: string): Promise<DatabaseEngine> {
    const database = await this.#options.database(name);
    await prepareBookkeeping(database);
    return database;
  }
}
