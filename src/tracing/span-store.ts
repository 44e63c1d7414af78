/** One recorded hop (or other span), flat, as it is stored and read. */
export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** OpenTelemetry's name: `send post.published`, `process post.published`. */
  readonly name: string;
  /** 1 to 13 in the reference example; absent for spans that are no hop. */
  readonly hop: number | undefined;
  readonly hopName: string | undefined;
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
  write(spans: readonly SpanRecord[]): Promise<void>;
  /** All spans of a trace, oldest first. */
  trace(traceId: string): Promise<SpanRecord[]>;
  /** Traces in which an event takes part, newest first. */
  tracesOf(eventId: string): Promise<string[]>;
  close(): Promise<void>;
}
