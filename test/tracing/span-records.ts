import type { SpanRecord } from "../../src/tracing/span-store.ts";

/** A span by hand, for tests that care for some of its members only. */
export const spanRecord = (members: Partial<SpanRecord> = {}): SpanRecord => ({
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  parentSpanId: undefined,
  name: "span",
  kind: "internal",
  hop: undefined,
  hopName: undefined,
  worker: undefined,
  box: "gateway 1",
  pid: 1,
  startUs: 1_700_000_000_000_000,
  durationUs: 1_000,
  waitUs: 0,
  eventId: undefined,
  error: undefined,
  attributes: {},
  ...members,
});
