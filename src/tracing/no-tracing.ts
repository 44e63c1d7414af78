import { parseTraceparent, type TraceContext, type Tracing } from "./tracing.ts";

const unsampled: TraceContext = {
  traceId: "0".repeat(31).concat("1"),
  spanId: "0".repeat(15).concat("1"),
  sampled: false,
};

/** Records nothing: for tests, and where tracing is switched off. */
export const noTracing: Tracing = {
  begin: (traceparent) => ({ ...(parseTraceparent(traceparent) ?? unsampled), sampled: false }),
  hop: (_step, parent) => ({ context: parent, end: () => {} }),
  stop: async () => {},
};
