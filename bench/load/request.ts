/**
 * The event that everything is measured with, 66 bytes of JSON whose length never changes, so that
 * a request is made by writing digits into bytes that are there already.
 */
export const eventType = "note.posted";
export const keyCount = 1_000;

/** So that numbers have the same number of digits from the first to the last. */
export const firstNumber = 1_000_000_000;
const timeOffsetUs = 1_000_000_000_000_000;

const event = `{"key":"u000","n":${firstNumber},"at":${timeOffsetUs},"text":"notes"}`;
export const eventBytes = event.length;
const keyAt = event.indexOf("000");
const numberAt = event.indexOf('"n":') + 4;
const timeAt = event.indexOf('"at":') + 5;

/** Where a time stands in an event, by the machine's monotonic clock, which all processes share. */
export const timeField = (atUs: number): number => timeOffsetUs + Math.floor(atUs);
export const timeOfField = (field: number): number => field - timeOffsetUs;

/** Microseconds by the machine's monotonic clock: the same in every process of the machine. */
export const nowUs = (): number => Number(process.hrtime.bigint()) / 1_000;

export type RequestPlan =
  | { readonly kind: "event"; readonly path: string }
  | { readonly kind: "lines"; readonly path: string; readonly events: number }
  | { readonly kind: "get"; readonly path: string };

/** One event a request, as every system takes it whose events come singly. */
export const oneEvent: RequestPlan = { kind: "event", path: `/events/${eventType}` };

/** One connection's request: bytes that are used again for each one that it sends. */
export class Request {
  /** How many events one request carries. */
  readonly events: number;
  readonly bytes: Buffer;
  readonly #offsets: readonly number[];

  constructor(plan: RequestPlan) {
    this.events = plan.kind === "get" ? 0 : plan.kind === "lines" ? plan.events : 1;
    const body = plan.kind === "get" ? "" : Array(this.events).fill(event).join("\n");
    const type = plan.kind === "lines" ? "application/x-ndjson" : "application/json";
    const head =
      plan.kind === "get"
        ? `GET ${plan.path} HTTP/1.1\r\nhost: localhost\r\n\r\n`
        : `POST ${plan.path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\n` +
          `content-length: ${body.length}\r\n\r\n`;
    this.bytes = Buffer.from(head + body, "latin1");
    this.#offsets = Array.from(
      { length: this.events },
      (_, at) => head.length + at * (eventBytes + 1),
    );
  }

  /** Makes it the request of the events from `number` on, meant to be sent at `atUs`. */
  write(number: number, atUs: number): Buffer {
    let next = number;
    const time = timeField(atUs);
    for (const offset of this.#offsets) {
      writeDigits(this.bytes, offset + keyAt, 3, next % keyCount);
      writeDigits(this.bytes, offset + numberAt, 10, firstNumber + next);
      writeDigits(this.bytes, offset + timeAt, 16, time);
      next++;
    }
    return this.bytes;
  }
}

function writeDigits(bytes: Buffer, offset: number, count: number, value: number): void {
  let rest = value;
  for (let at = offset + count - 1; at >= offset; at--) {
    const next = Math.floor(rest / 10);
    bytes[at] = 48 + rest - next * 10;
    rest = next;
  }
}
