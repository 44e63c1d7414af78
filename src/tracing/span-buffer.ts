import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";
import { type Clock, settledWithin } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import { toSpanRecord } from "./span-record.ts";
import type { SpanStore } from "./span-store.ts";

/**
 * Takes ended spans from OpenTelemetry's SDK and writes them to the store in the background, one
 * batch at a time. Spans are worth less than what they describe: where the store fails, the batch
 * is gone; where it is slow, the buffer fills and what comes then is dropped. Nobody waits or hears
 * of it.
 */
export class SpanBuffer implements SpanProcessor {
  readonly #store: SpanStore;
  readonly #box: string;
  readonly #clock: Clock;
  /** Set while spans wait: an idle process is not woken for nothing. */
  #timer: Disposable | undefined;
  #spans: ReadableSpan[] = [];
  #writing: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #dropped = 0;

  constructor(store: SpanStore, box: string, clock: Clock) {
    this.#store = store;
    this.#box = box;
    this.#clock = clock;
  }

  /** How many spans were never stored. */
  get dropped(): number {
    return this.#dropped;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.#stopped === undefined && this.#spans.length < limits.spanBufferMax) {
      this.#spans.push(span);
      this.#flushSoon();
    } else {
      this.#dropped += 1;
    }
  }

  /**
   * Resolves once a write that was under way has ended, and one of all that waited. Never rejects.
   */
  async forceFlush(): Promise<void> {
    if (this.#writing !== undefined) return await this.#writing;
    if (this.#spans.length === 0) return;
    const spans = this.#spans;
    this.#spans = [];
    this.#writing = this.#write(spans);
    await this.#writing;
    this.#writing = undefined;
  }

  /** Writes what is buffered, but waits no longer than `limits.spanStopMs`. Idempotent. */
  shutdown(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  #flushSoon(): void {
    this.#timer ??= this.#clock.after(limits.spanFlushMs, () => void this.#flush());
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    await this.forceFlush();
    // What came while another batch was being written.
    if (this.#spans.length > 0 && this.#stopped === undefined) this.#flushSoon();
  }

  async #stop(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    const flushed = this.forceFlush().then(() => this.forceFlush());
    await settledWithin(this.#clock, limits.spanStopMs, flushed);
    this.#dropped += this.#spans.length;
    this.#spans = [];
  }

  async #write(spans: readonly ReadableSpan[]): Promise<void> {
    try {
      await this.#store.write(spans.map((span) => toSpanRecord(span, this.#box, process.pid)));
    } catch {
      this.#dropped += spans.length;
    }
  }
}
