import type { DatabaseEngine } from "../database/engine.ts";
import { type OpenedWorker, unknownWorker } from "../worker/redrive.ts";
import { prepareBookkeeping } from "../worker/tables.ts";
import type { AdminOptions } from "./options.ts";

type WorkersOptions = Pick<AdminOptions, "workerNames" | "database" | "databaseFile">;

interface Opened {
  readonly file: string;
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
    const { databaseFile, workerNames } = this.#options;
    if (!workerNames.includes(name)) throw unknownWorker(name, workerNames);
    const file = await databaseFile(name);
    let opened = this.#opened.get(name);
    if (opened?.file !== file) {
      opened = { file, database: this.#open(name, file) };
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
  async #open(name: string, file: string): Promise<DatabaseEngine> {
    const database = await this.#options.database(name, file);
    await prepareBookkeeping(database);
    return database;
  }
}
