/** One recorded hop (or other span), flat, as it is stored and read. */
export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** OpenTelemetry's name: `send post.published`, `process post.published`. */
  readonly name: string;
  /** OpenTelemetry's kind of span. */
  readonly kind: "internal" | "server" | "client" | "producer" | "consumer";
  /** 1 to 13 in the reference example; absent for spans that are no hop. */
  readonly hop: number | undefined;
  readonly hopName: string | undefined;
  /** The worker's name, where the hop is one of a worker's. */
  readonly worker: string | undefined;
  /** The box: `balancer`, `gateway 1`, `worker timelines 1`. */
  readonly box: string;
  readonly pid: number;
  /** Microseconds since 1970. */
  readonly startUs: number;
  readonly durationUs: number;
  /** Of the duration, how much was waiting (in the queue, in a line), not work. */
  readonly waitUs: number;
  readonly eventId: string | undefined;
  readonly error: string | undefined;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Where spans are kept so that another process can read them: sampled, bounded, best effort. Losing
 * spans is allowed; slowing or failing what they describe is not.
 */
export interface SpanStore {
  /**
   * Stores spans, and forgets the oldest beyond `limits.spansKeptMax`. Rejects where they are lost.
   */
  write(spans: readonly SpanRecord[]): Promise<void>;
  /**
   * The spans of a trace by their start, the first `limits.spansPerTraceMax`; none where unknown.
   */
  trace(traceId: string): Promise<SpanRecord[]>;
  /** Traces in which an event takes part, the one written to last first; at most 100. */
  tracesOf(eventId: string): Promise<string[]>;
  /** Lets what runs finish. Idempotent. */
  close(): Promise<void>;
}
