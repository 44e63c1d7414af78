import { existsSync, unlinkSync, writeFileSync } from "node:fs";
import type { Clock } from "../lib/clock.ts";
import type { Struck } from "./fault.ts";

const variable = "DRILL_TRIPWIRE";
const patienceMs = 5_000;

/**
 * A file that the drill's own application looks for inside its handlers: whoever finds it removes
 * it and kills its own process, so that the transaction is open when it ends.
 */
export class Tripwire implements Disposable {
  readonly #file: string;
  readonly #clock: Clock;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  /** What the processes of the system must have in their environment. */
  get environment(): Readonly<Record<string, string>> {
    return { [variable]: this.#file };
  }

  async set(): Promise<Struck> {
    writeFileSync(this.#file, "");
    const deadline = this.#clock.monotonic() + patienceMs;
    while (existsSync(this.#file)) {
      if (this.#clock.monotonic() > deadline) {
        removed(this.#file);
        throw new Error("no handler ran that could end its process");
      }
      await this.#clock.sleep(5);
    }
    return { what: "an instance ended itself inside a handler" };
  }

  [Symbol.dispose](): void {
    removed(this.#file);
  }
}

/** Called by the handlers. */
export function tripOver(): void {
  const file = process.env[variable];
  if (file === undefined || !existsSync(file) || !removed(file)) return;
  process.kill(process.pid, "SIGKILL");
}

/** False where somebody else was first. */
function removed(file: string): boolean {
  try {
    unlinkSync(file);
    return true;
  } catch {
    return false;
  }
}
