import { createHash } from "node:crypto";
import type { ErrorCodeName } from "../lib/error-codes.ts";
import { asError, isMillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Random } from "../lib/random.ts";
import type { HandlerDefinition } from "../system/handler.ts";
import { isReject, isRetryAfter } from "../system/verdict.ts";

/** What becomes of one attempt. A closed set: `decide` is the only one who makes one. */
export type Outcome =
  | { readonly kind: "done" }
  | {
      readonly kind: "retry";
      readonly attempts: number;
      readonly at: number;
      readonly error: Failure;
    }
  | { readonly kind: "dead"; readonly attempts: number; readonly error: Failure };

/**
 * An error as it is kept: everything needed to understand it later, nothing that cannot be
 * stored.
 */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly cause: Failure | undefined;
}

/** An attempt that failed, as it is remembered with its event. */
export interface FailedAttempt {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `Error: no such row`. */
  readonly error: string;
  /** The versions that ran: the application's and the framework's. */
  readonly version: string;
}

/** What an attempt comes to that ended the process in which it ran. */
export class ProcessEnded extends Error {
  override readonly name = "ProcessEnded";

  constructor() {
    super("The process ended during this attempt: it crashed, was killed, or did not react.");
    // Where it happened is not known; a place in here would be no help.
    this.stack = `${this.name}: ${this.message}`;
  }
}

export interface RetryPolicy {
  readonly attempts: number;
  readonly firstMs: number;
  readonly maxMs: number;
}

/** A handler's policy, with the defaults of `limits`. */
export function policyOf({ attempts, backoff }: HandlerDefinition): RetryPolicy {
  const maxMs = backoff?.maxMs ?? limits.backoffMaxMs;
  return {
    attempts: attempts ?? limits.attemptsMax,
    firstMs: Math.min(backoff?.firstMs ?? limits.backoffFirstMs, maxMs),
    maxMs,
  };
}

/** Decides what a failed attempt means; `attempts` counts it. */
export function decide(
  thrown: unknown,
  attempts: number,
  policy: RetryPolicy,
  nowMs: number,
  random: Random,
): Outcome {
  const error = failureOf(thrown);
  if (isFinal(thrown) || attempts >= policy.attempts) return { kind: "dead", attempts, error };
  const at = isRetryAfter(thrown)
    ? timeOf(thrown.when, nowMs)
    : nowMs + backoffMs(attempts, policy, random);
  return { kind: "retry", attempts, at, error };
}

/**
 * Exponential with full jitter: keys that failed together do not come again together. Half of the
 * first pause is spared, so that a retry is never immediate.
 */
export function backoffMs(attempts: number, policy: RetryPolicy, random: Random): number {
  const ceiling = Math.min(policy.maxMs, policy.firstMs * 2 ** (attempts - 1));
  return Math.ceil(Math.min(policy.maxMs, policy.firstMs / 2 + random.fraction() * ceiling));
}

/** A handler may name any time; a mistake in it must not park a key for ever. */
function timeOf(when: number | Date, nowMs: number): number {
  const at = typeof when === "number" ? nowMs + when : when.getTime();
  if (Number.isNaN(at)) return nowMs + limits.backoffFirstMs;
  return Math.ceil(Math.min(Math.max(at, nowMs), nowMs + limits.delayMaxMs));
}

/** Errors that the same code will always meet again. */
const finalCodes: ReadonlySet<ErrorCodeName> = new Set([
  "MR_DATA_INVALID",
  "MR_KEY_NOT_STRING",
  "MR_JSON_STRING",
  "MR_AT_INVALID",
  "MR_EMIT_UNDECLARED",
  "MR_EMIT_TOO_DEEP",
]);

const isFinal = (thrown: unknown): boolean =>
  isReject(thrown) || (isMillraceError(thrown) && finalCodes.has(thrown.code));

export function failureOf(thrown: unknown, depth = 0): Failure {
  const { name, message, stack, cause } = asError(thrown);
  const isShown = cause instanceof Error && depth < limits.failureCausesMax;
  return {
    name,
    message: message.slice(0, limits.failureMessageLengthMax),
    stack: (stack ?? "").slice(0, limits.failureStackLengthMax),
    cause: isShown ? failureOf(cause, depth + 1) : undefined,
  };
}

export const describeFailure = ({ name, message }: Failure): string => `${name}: ${message}`;

/**
 * Equal for errors that are the same mistake: name, message without its numbers and ids, top
 * frame.
 */
export function fingerprintOf(type: string, failure: Failure): string {
  const message = failure.message.replace(/[0-9a-f]{8}-[0-9a-f-]{27}|\d+/gi, "#");
  const frame = failure.stack.split("\n").find((line) => line.trimStart().startsWith("at ")) ?? "";
  const place = frame.replace(/:\d+:\d+\)?$/, "").trim();
  return createHash("sha256")
    .update([type, failure.name, message, place].join("\n"))
    .digest("hex")
    .slice(0, 16);
}

/**
 * Errors that say nothing about the event: something that the instance needs is gone for a while.
 */
const dependencyCodes: ReadonlySet<ErrorCodeName> = new Set([
  "MR_DATABASE_UNAVAILABLE",
  "MR_DATABASE_CONFLICT",
  "MR_CACHE_UNAVAILABLE",
  "MR_QUEUE_UNAVAILABLE",
  "MR_QUEUE_BACKLOG",
  "MR_QUEUE_FULL",
  "MR_RESULT_UNKNOWN",
  "MR_OVERLOADED",
]);

/** Whether a broken dependency is behind an error, however deep: then no attempt is counted. */
export function isDependencyFailure(thrown: unknown): boolean {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 10; depth++) {
    if (isMillraceError(error) && dependencyCodes.has(error.code)) return true;
    error = error.cause;
  }
  return false;
}
