import { type Attributes, SpanKind } from "@opentelemetry/api";
import { hopName, hopNumber, type Step } from "./hops.ts";
import type { HopOptions, HopResult } from "./tracing.ts";

/**
 * The names of OpenTelemetry's messaging conventions that we use, and our own beside them. The
 * conventions have the status Development (read at 1.45.0), so they stand in this file only.
 */
export const attributeNames = {
  system: "messaging.system.name",
  operationName: "messaging.operation.name",
  operationType: "messaging.operation.type",
  destination: "messaging.destination.name",
  partition: "messaging.destination.partition.id",
  consumerGroup: "messaging.consumer.group.name",
  messageId: "messaging.message.id",
  batchCount: "messaging.batch.message_count",
  errorType: "error.type",
  hop: "millrace.hop",
  hopName: "millrace.hop.name",
  worker: "millrace.worker",
  waitMs: "millrace.wait_ms",
} as const;

/** How spans of other kinds than messaging are told; theirs follow from where the hop goes. */
const kindOfStep: Readonly<Partial<Record<Step, SpanKind>>> = {
  "user → load balancer": SpanKind.SERVER,
  "load balancer → API gateway": SpanKind.CLIENT,
  "worker → cache (look up)": SpanKind.CLIENT,
  "worker → database": SpanKind.CLIENT,
  "worker → cache (refresh)": SpanKind.CLIENT,
};

/**
 * The operations on messages by the first word of a span's name. A send is a CLIENT span and not a
 * PRODUCER, because the context that a message carries is that of its creation.
 */
const operations: Readonly<Record<string, SpanKind>> = {
  create: SpanKind.PRODUCER,
  send: SpanKind.CLIENT,
  receive: SpanKind.CLIENT,
  process: SpanKind.CONSUMER,
  settle: SpanKind.CLIENT,
};

/** A span's name is `{operation} {destination}` where it is about messages. */
function operationOf(name: string): { operation: string; destination: string } | undefined {
  const end = name.indexOf(" ");
  const operation = name.slice(0, end);
  if (end < 1 || !Object.hasOwn(operations, operation)) return undefined;
  return { operation, destination: name.slice(end + 1) };
}

export function spanKind(step: Step, name: string): SpanKind {
  const operation = operationOf(name)?.operation;
  if (operation !== undefined) return operations[operation] ?? SpanKind.INTERNAL;
  return kindOfStep[step] ?? SpanKind.INTERNAL;
}

/** What a hop is known by from its start. `letter` is the worker's in the picture. */
export function startAttributes(
  step: Step,
  options: HopOptions,
  letter: string | undefined,
): Attributes {
  const names = attributeNames;
  const attributes: Attributes = {
    [names.hop]: hopNumber(step, options.depth ?? 0),
    [names.hopName]: hopName(step, letter),
  };
  const messaging = operationOf(options.name);
  if (messaging !== undefined) {
    attributes[names.system] = "millrace";
    attributes[names.operationName] = messaging.operation;
    attributes[names.operationType] = messaging.operation;
    attributes[names.destination] = messaging.destination;
  }
  if (options.worker !== undefined) {
    attributes[names.worker] = options.worker;
    if (messaging !== undefined && messaging.operation !== "send") {
      attributes[names.consumerGroup] = options.worker;
    }
  }
  if (options.eventId !== undefined) attributes[names.messageId] = options.eventId;
  return Object.assign(attributes, options.attributes);
}

/** What is known of a hop once it ended. */
export function endAttributes(result: HopResult): Attributes {
  const names = attributeNames;
  const attributes: Attributes = { ...result.attributes };
  if (result.waitMs !== undefined) attributes[names.waitMs] = result.waitMs;
  if (result.eventId !== undefined) attributes[names.messageId] = result.eventId;
  if (result.error !== undefined) attributes[names.errorType] = result.error;
  return attributes;
}
