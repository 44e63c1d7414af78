import { limits } from "../../lib/limits.ts";
import type { SpanRecord, SpanStore } from "../../tracing/span-store.ts";

/** How many traces of an event are told. */
const tracesMax = 100;

/** Keeps spans in this process only: for one-process systems and tests. */
export function openMemorySpanStore(options: { readonly spansMax?: number } = {}): SpanStore {
  const spansMax = options.spansMax ?? limits.spansKeptMax;
  let kept: SpanRecord[] = [];
  let closed = false;
  return {
    async write(spans) {
      if (closed) throw new Error("assertion failed: a closed span store was written to");
      kept.push(...spans);
      // Cutting at twice the bound would be cheaper, but a bound that is not kept is none.
      if (kept.length > spansMax) kept = kept.slice(kept.length - spansMax);
    },
    async trace(traceId) {
      return kept
        .filter((span) => span.traceId === traceId)
        .sort((one, other) => one.startUs - other.startUs)
        .slice(0, limits.spansPerTraceMax);
    },
    async tracesOf(eventId) {
      const written = kept.filter((span) => span.eventId === eventId).reverse();
      return [...new Set(written.map(({ traceId }) => traceId))].slice(0, tracesMax);
    },
    async close() {
      closed = true;
      kept = [];
    },
  };
}
