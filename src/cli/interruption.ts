import type { MillraceError } from "../lib/errors.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";

/** The first Ctrl-C aborts its signal; `reason` says what became of what was begun. */
export class Interruption implements Disposable {
  readonly #reason: MillraceError;
  readonly #stop = new AbortController();
  readonly #abort = () => this.#stop.abort(this.#reason);

  constructor(reason: MillraceError) {
    this.#reason = reason;
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, this.#abort);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** What a command ends with whose work threw this. @throws what was no interruption */
  exitCode(thrown: unknown, output: Output): ExitCode {
    if (thrown !== this.#reason) throw thrown;
    output.error(this.#reason);
    return 130;
  }

  [Symbol.dispose](): void {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, this.#abort);
  }
}
