import { type HrTime, SpanKind } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { attributeNames } from "./conventions.ts";
import type { SpanRecord } from "./span-store.ts";

const kinds = {
  [SpanKind.INTERNAL]: "internal",
  [SpanKind.SERVER]: "server",
  [SpanKind.CLIENT]: "client",
  [SpanKind.PRODUCER]: "producer",
  [SpanKind.CONSUMER]: "consumer",
} as const;

/** Flattens an ended span of the SDK into what is stored. */
export function toSpanRecord(span: ReadableSpan, box: string, pid: number): SpanRecord {
  const { traceId, spanId } = span.spanContext();
  const attributes: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(span.attributes)) {
    if (isPlain(value)) attributes[name] = value;
  }
  const text = (name: string) => {
    const value = attributes[name];
    return typeof value === "string" ? value : undefined;
  };
  const count = (name: string) => {
    const value = attributes[name];
    return typeof value === "number" ? value : undefined;
  };
  const durationUs = toMicroseconds(span.duration);
  const waitUs = Math.round((count(attributeNames.waitMs) ?? 0) * 1_000);
  return {
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    name: span.name,
    kind: kinds[span.kind],
    hop: count(attributeNames.hop),
    hopName: text(attributeNames.hopName),
    worker: text(attributeNames.worker),
    box,
    pid,
    startUs: toMicroseconds(span.startTime),
    durationUs,
    waitUs: Math.min(Math.max(0, waitUs), durationUs),
    eventId: text(attributeNames.messageId),
    error: text(attributeNames.errorType),
    attributes,
  };
}

/**
 * OpenTelemetry's seconds and nanoseconds. A bare number would be taken for another clock's where
 * small.
 */
export function toHrTime(ms: number): HrTime {
  const us = Math.round(ms * 1_000);
  return [Math.floor(us / 1_000_000), (us % 1_000_000) * 1_000];
}

const toMicroseconds = ([seconds, nanoseconds]: HrTime): number =>
  seconds * 1_000_000 + Math.round(nanoseconds / 1_000);

const isPlain = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean";
