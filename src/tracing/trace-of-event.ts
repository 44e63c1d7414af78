import { type Clock, systemClock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { SpanRecord, SpanStore } from "./span-store.ts";

export interface LookUpOptions {
  readonly clock?: Clock;
  /** How long to wait for spans that are still on their way. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * The spans of an event, one list for each trace in which it takes part, the newest trace first;
 * empty where it was not traced. Processes write their spans a moment late, so this asks until
 * nothing new has come for `limits.traceSettleMs`, or the time is up: an event that waits (parked,
 * behind another) has the hops that it has made so far.
 */
export async function tracesOfEvent(
  store: SpanStore,
  eventId: string,
  options: LookUpOptions = {},
): Promise<SpanRecord[][]> {
  const clock = options.clock ?? systemClock;
  const deadline = clock.monotonic() + (options.waitMs ?? limits.traceLookUpMs);
  let settled: { readonly spans: number; readonly at: number } = { spans: 0, at: Infinity };
  for (;;) {
    const traces = await readTraces(store, eventId);
    const spans = traces.reduce((sum, trace) => sum + trace.length, 0);
    const now = clock.monotonic();
    if (spans !== settled.spans) settled = { spans, at: now + limits.traceSettleMs };
    const isOver = now >= Math.min(deadline, settled.at) || options.signal?.aborted === true;
    if (isOver) return traces;
    await clock.sleep(limits.spanFlushMs / 2, options.signal);
  }
}

async function readTraces(store: SpanStore, eventId: string): Promise<SpanRecord[][]> {
  const traces: SpanRecord[][] = [];
  for (const traceId of await store.tracesOf(eventId)) {
    traces.push(spansOfEvent(await store.trace(traceId), eventId));
  }
  return traces;
}

/**
 * Of a trace with several events (a batch), what belongs to one: what led to it, itself, what it
 * led to, and what is no event's.
 */
export function spansOfEvent(spans: readonly SpanRecord[], eventId: string): SpanRecord[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const belongs = new Set<SpanRecord>();
  const parentOf = ({ parentSpanId }: SpanRecord) =>
    parentSpanId === undefined ? undefined : byId.get(parentSpanId);

  for (const span of spans) {
    if (span.eventId !== eventId) continue;
    for (let above: SpanRecord | undefined = span; above && !belongs.has(above); ) {
      belongs.add(above);
      above = parentOf(above);
    }
  }
  const comesFromIt = (span: SpanRecord): boolean => {
    const seen = new Set<SpanRecord>();
    for (let above: SpanRecord | undefined = span; above && !seen.has(above); ) {
      if (above.eventId === eventId) return true;
      seen.add(above);
      above = parentOf(above);
    }
    return false;
  };
  return spans.filter(
    (span) => span.eventId === undefined || belongs.has(span) || comesFromIt(span),
  );
}
