import type { ErrorCodeName } from "../../lib/error-codes.ts";
import { isMillraceError, MillraceError } from "../../lib/errors.ts";

/**
 * What the event loop and the writer's thread say to each other. Events travel as one flat array:
 * copying an array of strings between threads costs a fraction of copying objects.
 */

/** The values of one event, in this order, one event after another in the array. */
export type AppendFields = [
  partition: number,
  type: string,
  source: string,
  id: string,
  key: string,
  time: string,
  attributes: string | null,
  data: string,
  fingerprint: string | null,
];
export type AppendField = AppendFields[number];
export const appendFieldCount: AppendFields["length"] = 9;

export type WriterRequest =
  | { readonly kind: "append"; readonly nowMs: number; readonly fields: readonly AppendField[] }
  | TrimRequest
  | { readonly kind: "state" }
  | { readonly kind: "close" };

/** One step of a trim; `from` is what the step before answered, -1 at first. */
export interface TrimRequest {
  readonly kind: "trim";
  readonly partition: number;
  readonly from: number;
  readonly upTo: number;
}

export interface AppendAnswer {
  /** By event; 0 for duplicates. */
  readonly positions: readonly number[];
  readonly duplicates: readonly KnownId[];
}

/** Where an id that was known already stands. */
export interface KnownId {
  /** Which event of the request. */
  readonly at: number;
  readonly partition: number;
  readonly position: number;
  readonly fingerprint: string | null;
}

export interface TrimAnswer {
  readonly reached: number;
  readonly done: boolean;
}

export interface WriterState {
  readonly storedEvents: number;
  readonly storedBytes: number;
  readonly oldestAcceptedAt: number | null;
  readonly freeBytes: number;
  /** True where appends are refused for want of space. */
  readonly full: boolean;
  readonly walBytes: number;
}

export interface WriterAnswers {
  readonly append: AppendAnswer;
  readonly trim: TrimAnswer;
  readonly state: WriterState;
  readonly close: null;
}

/** What the thread is started with. */
export interface WriterSettings {
  readonly folder: string;
  readonly partitions: number;
  readonly nowMs: number;
  readonly idWindowMs: number;
  readonly diskLowBytes: number;
  readonly storedBytesMax: number;
  readonly busyTimeoutMs: number;
}

export interface WriterReady {
  readonly identity: string;
  readonly partitions: number;
}

/** An error on its way through a message. */
export interface Failure {
  readonly code: ErrorCodeName;
  readonly message: string;
  readonly remedy: string | undefined;
  readonly retryAfterSeconds: number | undefined;
}

export type WriterMessage =
  | { readonly kind: "ready"; readonly ready: WriterReady }
  | { readonly kind: "answer"; readonly answer: WriterAnswers[WriterRequest["kind"]] }
  | { readonly kind: "refusal"; readonly failure: Failure }
  /** The writer has stopped for good: what it may have written is not known to be safe. */
  | { readonly kind: "broken"; readonly failure: Failure };

export function failureOf(error: unknown): Failure {
  if (!isMillraceError(error)) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { code: "MR_INTERNAL", message, remedy: undefined, retryAfterSeconds: undefined };
  }
  const { code, message, remedy, retryAfterSeconds } = error;
  return { code, message, remedy, retryAfterSeconds };
}

export const errorOf = ({ code, message, remedy, retryAfterSeconds }: Failure): MillraceError =>
  new MillraceError(code, message, {
    ...(remedy === undefined ? {} : { remedy }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
