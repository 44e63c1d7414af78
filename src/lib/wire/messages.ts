import { assert } from "../errors.ts";

/**
 * How two boxes talk over one connection: many questions under way at once, each with a number, and
 * their answers in whatever order they come. Every message is a line of text.
 *
 * ```
 *   who asks                                  who answers
 *   7 GET - /queries/home?user=grace          8 504 {"code":"MR_AFTER_TIMEOUT",…}
 *   8 GET 7:1,3:22 /queries/home?user=ada     7 200 [{"text":"hello"}]
 *   9 gone
 * ```
 *
 * A request of HTTP for each would cost both sides several times what the question costs itself:
 * parsing, and a system call for every one of them. Lines that are written in one turn of the event
 * loop travel together. It begins as HTTP, by an upgrade (RFC 9110, section 7.8), so that a box has
 * one port.
 */
export const wirePath = "/wire";
export const wireProtocol = "millrace-wire";

/** All of them are safe to repeat. */
export interface Question {
  readonly method: "GET" | "POST";
  /** Path and query string, as in HTTP. */
  readonly url: string;
  /** `7:1,3:22`: positions that have to be applied first. */
  readonly after?: string;
}

export interface Answer {
  /** As in HTTP; 200, or that of the error. */
  readonly status: number;
  /** JSON text, on one line. */
  readonly text: string;
}

export function questionLine(number: number, { method, after = "-", url }: Question): string {
  assert(!url.includes("\n"), "an address is on one line");
  return `${number} ${method} ${after} ${url}\n`;
}

/** Nobody waits for this one any more. */
export const goneLine = (number: number): string => `${number} gone\n`;

/** Between the parts of a JSON text a line break means as much as a blank; in them is none. */
export const answerLine = (number: number, { status, text }: Answer): string =>
  `${number} ${status} ${text.replaceAll("\n", " ")}\n`;

/** `question` is absent where nobody waits for the answer any more. */
export function readQuestion(line: string): { number: number; question?: Question } {
  const [number, method, after, ...url] = line.split(" ");
  if (method === "gone") return { number: Number(number) };
  if ((method !== "GET" && method !== "POST") || after === undefined || url.length === 0) {
    throw new Error("a question cannot be read");
  }
  const asked = { method, url: url.join(" ") } as const;
  return { number: Number(number), question: after === "-" ? asked : { ...asked, after } };
}

export function readAnswer(line: string): { number: number; answer: Answer } {
  const first = line.indexOf(" ");
  const second = line.indexOf(" ", first + 1);
  const status = Number(line.slice(first + 1, second));
  if (first < 1 || second < 0 || !Number.isInteger(status)) {
    throw new Error("an answer cannot be read");
  }
  return { number: Number(line.slice(0, first)), answer: { status, text: line.slice(second + 1) } };
}

/**
 * Puts lines together from pieces of text. What is unfinished is not looked at again before its end
 * has come, since an answer may come in very many pieces.
 */
export function lineReader(
  read: (line: string) => void,
  lengthMax = Number.POSITIVE_INFINITY,
): (piece: string) => void {
  let partial = "";
  return (piece) => {
    let start = 0;
    for (let end = piece.indexOf("\n"); end >= 0; end = piece.indexOf("\n", start)) {
      const line = partial + piece.slice(start, end);
      partial = "";
      start = end + 1;
      read(line);
    }
    partial += piece.slice(start);
    if (partial.length > lengthMax) throw new Error("a line is too long");
  };
}
