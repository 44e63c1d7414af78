import { styleText } from "node:util";
import { MillraceError } from "../lib/errors.ts";

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

type Format = Parameters<typeof styleText>[0];

/**
 * What a command says: its data on stdout, all else on stderr, so that a pipe gets data only. With
 * `--json` the data are JSON, and so is an error.
 */
export class Output {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly #quiet: boolean;

  constructor({ json, quiet, verbose }: OutputOptions) {
    this.json = json;
    this.verbose = verbose;
    this.#quiet = quiet;
  }

  /** Data for people. */
  line(text = ""): void {
    process.stdout.write(`${text}\n`);
  }

  /** Data for programs: one value, spread over lines unless it is one of many. */
  value(value: unknown, indent: 0 | 2 = 2): void {
    process.stdout.write(`${JSON.stringify(value, null, indent)}\n`);
  }

  /** What happens meanwhile; silenced by `--quiet`. */
  progress(text = ""): void {
    if (!this.#quiet) process.stderr.write(`${text}\n`);
  }

  error(error: Error): void {
    process.stderr.write(`${this.json ? errorJson(error) : this.#errorText(error)}\n`);
  }

  /** Coloured where stdout is a terminal that wants colours (NO_COLOR, FORCE_COLOR, TERM=dumb). */
  paint(format: Format, text: string): string {
    return paint(process.stdout, format, text);
  }

  get hasColor(): boolean {
    return this.paint("red", "x") !== "x";
  }

  /** The same for stderr. */
  paintProgress(format: Format, text: string): string {
    return paint(process.stderr, format, text);
  }

  #errorText(error: Error): string {
    const stack = this.verbose ? `\n${indented(stackOf(error))}` : "";
    if (!(error instanceof MillraceError)) {
      // A mistake of ours: whoever reports it needs the stack.
      const title = this.paintProgress("red", "Something went wrong inside Millrace.");
      return `${title}\n${indented(stackOf(error))}`;
    }
    const code = this.paintProgress(["red", "bold"], error.code);
    const isLong = error.message.includes("\n");
    const message = isLong ? `\n${indented(error.message)}` : `  ${error.message}`;
    const faults = isLong || error.faults.length < 2 ? [] : error.faults;
    const list = faults.map(({ detail, pointer }) => `\n  ${pointer}  ${detail}`).join("");
    const remedy = error.remedy === undefined ? "" : `\n  ${error.remedy}`;
    return `${code}${message}${list}${remedy}${stack}`;
  }
}

const paint = (stream: NodeJS.WriteStream, format: Format, text: string): string =>
  process.env.TERM === "dumb" && process.env.FORCE_COLOR === undefined
    ? text
    : styleText(format, text, { stream });

const indented = (text: string): string => text.replaceAll(/^/gm, "  ");

const stackOf = (error: Error): string => {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
};

function errorJson(error: Error): string {
  if (!(error instanceof MillraceError))
    return JSON.stringify({ error: { message: error.message } });
  const { code, message, remedy, faults } = error;
  return JSON.stringify({ error: { code, message, remedy, faults } });
}

/** `1 event`, `2 events`. */
export const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : "s"}`;
