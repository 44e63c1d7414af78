import { createHash } from "node:crypto";
import type { ErrorCodeName } from "../lib/error-codes.ts";
import { asError, isMillraceError } from "../lib/errors.ts";
import type { Random } from "../lib/random.ts";

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
  readonly cause: string | undefined;
}

export interface RetryPolicy {
  readonly attempts: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
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
  if (attempts >= policy.attempts) return { kind: "dead", attempts, error };
  return { kind: "retry", attempts, at: nowMs + backoffMs(attempts, policy, random), error };
}

/**
 * Exponential with full jitter: keys that failed together do not come again together. The first
 * half of the range is spared, so that a retry is never immediate.
 */
export function backoffMs(attempts: number, policy: RetryPolicy, random: Random): number {
  const ceiling = Math.min(policy.backoffMaxMs, policy.backoffBaseMs * 2 ** (attempts - 1));
  return Math.ceil(policy.backoffBaseMs / 2 + random.fraction() * ceiling);
}

export function failureOf(thrown: unknown): Failure {
  const error = asError(thrown);
  return {
    name: error.name,
    message: error.message,
    stack: error.stack ?? "",
    cause: error.cause === undefined ? undefined : String(error.cause),
  };
}

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
