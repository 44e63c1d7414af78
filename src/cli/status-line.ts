/**
 * The last line of a terminal, kept below everything else that is written. Where stderr is no
 * terminal there is none, and what is written just passes through.
 */
export class StatusLine {
  readonly #isShown = process.stderr.isTTY === true && process.env.TERM !== "dumb";
  #text = "";

  /** Replaces what it says; empty: it is gone. */
  set(text: string): void {
    this.#clear();
    this.#text = text;
    this.#draw();
  }

  /** Writes above it. */
  write(stream: NodeJS.WriteStream, text: string): void {
    this.#clear();
    stream.write(text);
    this.#draw();
  }

  #clear(): void {
    if (this.#isShown && this.#text !== "") process.stderr.write("\r\u001B[2K");
  }

  #draw(): void {
    if (!this.#isShown || this.#text === "") return;
    process.stderr.write(this.#text.slice(0, (process.stderr.columns ?? 80) - 1));
  }
}
