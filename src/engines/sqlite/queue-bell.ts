import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import { limits } from "../../lib/limits.ts";
import type { Doorbell } from "../../queue/doorbell.ts";
import { bellName } from "./queue-file.ts";

/**
 * Hears the commits of all processes: each touches the bell file, which is watched here from the
 * first subscription to the end. Watching costs nothing while nothing happens, and correctness
 * never depends on it: who waits also looks now and then.
 */
export class QueueBell {
  readonly #folder: string;
  readonly #doorbell: Doorbell;
  #watcher: FSWatcher | undefined;
  #deaf = false;

  constructor(folder: string, doorbell: Doorbell) {
    this.#folder = folder;
    this.#doorbell = doorbell;
  }

  /** How long a reader may sleep between two looks of its own. */
  get lookMs(): number {
    return this.#deaf ? limits.bellPollMs : limits.idleWaitMs;
  }

  listen(): void {
    if (this.#watcher !== undefined || this.#deaf) return;
    try {
      // Not persistent: a waiting reader alone keeps no process alive, the engine's thread does.
      const options = { persistent: false };
      this.#watcher = watch(join(this.#folder, bellName), options, () => this.#doorbell.ring());
      this.#watcher.on("error", () => this.#loseHearing());
    } catch {
      this.#loseHearing();
    }
  }

  /** The system has no more watches to give: look often instead. */
  #loseHearing(): void {
    this.#deaf = true;
    this.close();
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
