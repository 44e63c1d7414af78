import { type Fault, jsonPointer, MillraceError } from "../lib/errors.ts";
import { decodeUtf8, type JsonValue, parseJson } from "../lib/json.ts";
import { didYouMean } from "../lib/nearest.ts";
import { parseTimeText, timeTextForms } from "../lib/time-text.ts";

/** What was sent by name, in the address or as a JSON object; all faults are told together. */
export class Fields {
  readonly #values: ReadonlyMap<string, JsonValue>;
  readonly #isText: boolean;
  readonly #faults: Fault[] = [];

  private constructor(values: ReadonlyMap<string, JsonValue>, isText: boolean) {
    this.#values = values;
    this.#isText = isText;
  }

  static ofQuery(query: ReadonlyMap<string, string>): Fields {
    return new Fields(query, true);
  }

  /** No body at all is an empty object. */
  static ofBody(body: Buffer): Fields {
    const value = body.length === 0 ? {} : parseJson(decodeUtf8(body));
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new MillraceError("MR_REQUEST_INVALID", "The body is not a JSON object.");
    }
    return new Fields(new Map(Object.entries(value)), false);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string, pattern = /./su, form = "a text that is not empty"): string | undefined {
    return this.#read(name, form, (value) =>
      typeof value === "string" && pattern.test(value) ? value : undefined,
    );
  }

  whole(name: string, from: number, to: number): number | undefined {
    return this.#read(name, `a whole number from ${from} to ${to}`, (value) => {
      const isPlain = this.#isText && typeof value === "string" && /^\d{1,15}$/.test(value);
      const number = isPlain ? Number(value) : value;
      const isWhole = typeof number === "number" && Number.isSafeInteger(number);
      return isWhole && number >= from && number <= to ? number : undefined;
    });
  }

  /** Milliseconds since 1970. */
  time(name: string, nowMs: number): number | undefined {
    return this.#read(name, timeTextForms, (value) =>
      typeof value === "string" ? parseTimeText(value, nowMs) : undefined,
    );
  }

  true(name: string): boolean {
    return this.#read(name, "true", (value) => (value === true ? value : undefined)) ?? false;
  }

  /** Numbers out of those that there are. */
  numbers(name: string, known: readonly number[]): number[] | undefined {
    return this.#read(name, `a list of numbers from 0 to ${known.length - 1}`, (value) => {
      const isList = Array.isArray(value) && value.length > 0;
      return isList && value.every((one) => known.includes(one)) ? value : undefined;
    });
  }

  refuse(name: string, detail: string): void {
    this.#faults.push({ detail, pointer: jsonPointer([name]) });
  }

  /**
   * To be called once everything was read.
   *
   * @throws MR_REQUEST_INVALID also for names that are not known: a misspelt filter is no filter
   */
  finish(known: readonly string[]): void {
    for (const name of this.#values.keys()) {
      if (known.includes(name)) continue;
      this.refuse(name, `${name.slice(0, 60)} is not known.${didYouMean(name, known)}`);
    }
    if (this.#faults.length === 0) return;
    const details = this.#faults.map(({ detail }) => detail).join(" ");
    throw new MillraceError("MR_REQUEST_INVALID", details, { faults: this.#faults });
  }

  #read<Value>(
    name: string,
    form: string,
    read: (value: JsonValue) => Value | undefined,
  ): Value | undefined {
    const given = this.#values.get(name);
    if (given === undefined) return undefined;
    const value = read(given);
    if (value === undefined) this.refuse(name, `${name} takes ${form}.`);
    return value;
  }
}
