import { causalOrder } from "./causal-order.ts";
import type { SpanRecord } from "./span-store.ts";

/** A trace as people and programs read it: what `millrace trace --json` prints. */
export interface Waterfall {
  readonly traceId: string;
  /** When its first hop began, RFC 3339. */
  readonly startedAt: string;
  /** From the beginning of the first hop to the end of the last, in milliseconds. */
  readonly durationMs: number;
  /** In the order of cause. Only what was recorded: a hop that is missing is not made up. */
  readonly hops: readonly WaterfallRow[];
}

export interface WaterfallRow {
  /** The number in the picture; null for a span that is no hop. */
  readonly hop: number | null;
  /** The name in the picture: `message queue → worker A`. */
  readonly name: string;
  /** OpenTelemetry's name of the span: `send post.published`. */
  readonly span: string;
  readonly kind: SpanRecord["kind"];
  /** The process: `balancer`, `gateway 1`, `worker timelines 1`. */
  readonly box: string;
  readonly pid: number;
  /** The worker's name, where the hop is one of a worker's. */
  readonly worker: string | null;
  readonly eventId: string | null;
  /** Milliseconds after the trace's beginning. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Of the duration, how much was waiting and not work; it comes first. */
  readonly waitMs: number;
  /** A stable name of what went wrong. */
  readonly error: string | null;
  readonly spanId: string;
  /** Absent spans may be named here: of the client, or lost. */
  readonly parentSpanId: string | null;
  readonly attributes: SpanRecord["attributes"];
}

/** Undefined where there are no spans. They must be of one trace. */
export function waterfallOf(spans: readonly SpanRecord[]): Waterfall | undefined {
  const [first] = spans;
  if (first === undefined) return undefined;
  let startUs = first.startUs;
  let endUs = first.startUs;
  for (const span of spans) {
    startUs = Math.min(startUs, span.startUs);
    endUs = Math.max(endUs, span.startUs + span.durationUs);
  }
  return {
    traceId: first.traceId,
    startedAt: new Date(Math.floor(startUs / 1_000)).toISOString(),
    durationMs: (endUs - startUs) / 1_000,
    hops: causalOrder(spans).map((span) => rowOf(span, startUs)),
  };
}

function rowOf(span: SpanRecord, traceStartUs: number): WaterfallRow {
  return {
    hop: span.hop ?? null,
    name: span.hopName ?? span.name,
    span: span.name,
    kind: span.kind,
    box: span.box,
    pid: span.pid,
    worker: span.worker ?? null,
    eventId: span.eventId ?? null,
    startMs: (span.startUs - traceStartUs) / 1_000,
    durationMs: span.durationUs / 1_000,
    waitMs: span.waitUs / 1_000,
    error: span.error ?? null,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? null,
    attributes: span.attributes,
  };
}
