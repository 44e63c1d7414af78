import { type Context, ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import { AlwaysOnSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import { type Clock, preciseNow, systemClock } from "../lib/clock.ts";
import { type Random, systemRandom } from "../lib/random.ts";
import { endAttributes, spanKind, startAttributes } from "./conventions.ts";
import type { Step } from "./hops.ts";
import { createSampler, type Sampler } from "./sampler.ts";
import { SpanBuffer } from "./span-buffer.ts";
import { toHrTime } from "./span-record.ts";
import type { SpanStore } from "./span-store.ts";
import { traceIds } from "./trace-ids.ts";
import type { Tracing } from "./tracing.ts";
import { type Hop, type HopOptions, parseTraceparent, type TraceContext } from "./tracing.ts";

export interface TracingOptions {
  /** Where spans go. The caller closes it, after `stop`. */
  readonly store: SpanStore;
  /** Who records: `balancer`, `gateway 1`, `worker timelines 1`. */
  readonly box: string;
  /** Worker's name → its letter in the picture (`workerLetters`). */
  readonly workerLetters: ReadonlyMap<string, string>;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly sampler?: Sampler;
}

/** Tracing that records; `droppedSpans` counts what never reached the store. */
export interface RecordingTracing extends Tracing {
  readonly droppedSpans: number;
}

/**
 * Records the hops of one process with OpenTelemetry's SDK. A trace that is not sampled makes no
 * span at all: one of the SDK's costs 2 to 3 µs even when its sampler drops it, so ours decides
 * before.
 */
export function createTracing(options: TracingOptions): RecordingTracing {
  const { box, store, workerLetters } = options;
  const clock = options.clock ?? systemClock;
  const ids = traceIds(options.random ?? systemRandom);
  const sampler = options.sampler ?? createSampler({ clock });
  const buffer = new SpanBuffer(store, box, clock);
  // Contexts that began here: their first hop has no parent, but the trace's id is given.
  const begun = new WeakSet<TraceContext>();
  let rootTraceId = "";
  const provider = new TracerProvider({
    sampler: new AlwaysOnSampler(),
    idGenerator: { generateTraceId: () => rootTraceId, generateSpanId: ids.spanId },
    spanProcessors: [buffer],
  });
  const tracer = provider.getTracer("millrace");
  const nowMs = () => preciseNow(clock);

  const begin = (traceparent: string | undefined): TraceContext => {
    const given = parseTraceparent(traceparent);
    if (given !== undefined) return { ...given, sampled: given.sampled && sampler.continues() };
    const context = { traceId: ids.traceId(), spanId: ids.spanId(), sampled: sampler.begins() };
    if (context.sampled) begun.add(context);
    return context;
  };

  const hop = (step: Step, parent: TraceContext, hopOptions: HopOptions): Hop => {
    if (!parent.sampled) return { context: parent, end: endNothing };
    const { name, worker, startMs } = hopOptions;
    rootTraceId = parent.traceId;
    const letter = worker === undefined ? undefined : workerLetters.get(worker);
    const span = tracer.startSpan(
      name,
      {
        kind: spanKind(step, name),
        startTime: toHrTime(startMs ?? nowMs()),
        attributes: startAttributes(step, hopOptions, letter),
      },
      begun.has(parent) ? ROOT_CONTEXT : childOf(parent),
    );
    const { spanId } = span.spanContext();
    return {
      context: { traceId: parent.traceId, spanId, sampled: true },
      end(result = {}) {
        span.setAttributes(endAttributes(result));
        if (result.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end(toHrTime(result.endMs ?? nowMs()));
      },
    };
  };

  return {
    begin,
    hop,
    stop: () => provider.shutdown(),
    get droppedSpans() {
      return buffer.dropped;
    },
  };
}

const childOf = ({ traceId, spanId }: TraceContext): Context =>
  trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  });

const endNothing = (): void => {};
