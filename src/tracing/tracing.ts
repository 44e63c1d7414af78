import type { Step } from "./hops.ts";

/** The W3C trace context of a request or event, parsed. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  /** Decided once, where the trace began. Not sampled: no span is made anywhere. */
  readonly sampled: boolean;
}

/** What a box needs to record its hops; one per process. */
export interface Tracing {
  /**
   * The context that `traceparent` carries. Absent or malformed: a new trace begins, and whether it
   * is recorded is decided here, for all of its hops.
   */
  begin(traceparent: string | undefined): TraceContext;
  /** Starts a hop as a child of `parent`. Costs next to nothing where the trace is not sampled. */
  hop(step: Step, parent: TraceContext, options: HopOptions): Hop;
  /** Writes what is buffered, then lets go. Idempotent. */
  stop(): Promise<void>;
}

export interface HopOptions {
  /** OpenTelemetry's span name: `send post.published`. */
  readonly name: string;
  readonly eventId?: string;
  /** How many events stand between this one and the request; 0 where absent. */
  readonly depth?: number;
  /** The worker's name, where the hop is one of a worker's. */
  readonly worker?: string;
  /** Milliseconds since 1970; now where absent. */
  readonly startMs?: number;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * A hop under way. One that is never ended is never recorded: a rolled back attempt leaves no
 * trace.
 */
export interface Hop {
  /** For what this hop causes: the parent of the next hop, the `traceparent` sent along. */
  readonly context: TraceContext;
  end(result?: HopResult): void;
}

export interface HopResult {
  /** Milliseconds since 1970; now where absent. */
  readonly endMs?: number;
  /** Of the duration, how much was waiting (in the queue, in a line) and not work. */
  readonly waitMs?: number;
  /** A stable name of what went wrong: an error code or class. */
  readonly error?: string;
  readonly eventId?: string;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
}

/** `version-traceid-parentid-flags`, as headers and events carry it. */
export const formatTraceparent = ({ traceId, spanId, sampled }: TraceContext): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;

/** W3C Trace Context, section 3.2: undefined where malformed, all zero, or of version ff. */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  if (header === undefined) return undefined;
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header);
  if (match === null) return undefined;
  const [, version = "", traceId = "", spanId = "", flags = "", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Whether a context is sampled, at next to no cost where it is not, as nearly all are not. */
export const isSampled = (traceparent: string | undefined): boolean =>
  traceparent !== undefined &&
  !traceparent.endsWith("-00") &&
  parseTraceparent(traceparent)?.sampled === true;
