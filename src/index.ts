export type { ErrorCodeName } from "./lib/error-codes.ts";
export { type Fault, MillraceError } from "./lib/errors.ts";
export {
  type DatabaseDefinition,
  type DatabaseOptions,
  defineDatabase,
  type Migration,
} from "./system/database.ts";
export {
  type AnyEvent,
  type DataInput,
  type DataOf,
  defineEvent,
  type EventDefinition,
  type EventOptions,
  type Upgrades,
} from "./system/event.ts";
export type { EventAttributes, EventRecord, HandledEvent } from "./system/event-record.ts";
export {
  type BatchContext,
  type BatchHandler,
  type BatchOptions,
  type Emit,
  type EmitFrom,
  type EmitOptions,
  type Handler,
  type HandlerCache,
  type HandlerContext,
  type HandlerDefinition,
  type HandlerOptions,
  on,
  onBatch,
  type Prepare,
  type WhenDead,
} from "./system/handler.ts";
export {
  type QueryContext,
  type QueryDefinition,
  type QueryInput,
  type QueryOptions,
  type QueryOutput,
  query,
} from "./system/query.ts";
export {
  type Missed,
  type ScheduleDefinition,
  type ScheduleOptions,
  schedule,
} from "./system/schedule.ts";
export type { InputOf, OutputOf, Schema } from "./system/schema.ts";
export { defineSystem, type SystemDefinition, type SystemOptions } from "./system/system.ts";
export { Reject, RetryAfter } from "./system/verdict.ts";
export {
  type WebhookDefinition,
  type WebhookEvent,
  type WebhookOptions,
  type WebhookRequest,
  webhook,
  webhookEvent,
} from "./system/webhook.ts";
export {
  defineWorker,
  type Queries,
  type StartFrom,
  type WorkerDefinition,
  type WorkerOptions,
} from "./system/worker.ts";
