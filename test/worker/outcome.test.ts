/**
 * What a failed attempt means: the decision is total, its delays are bounded, its fingerprint
 * stable.
 */
import fc from "fast-check";
import { Reject, RetryAfter } from "millrace";
import { expect, it } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import { limits } from "../../src/lib/limits.ts";
import { decide, failureOf, fingerprintOf, isDependencyFailure } from "../../src/worker/outcome.ts";

const policy = { attempts: 8, firstMs: 200, maxMs: 300_000 };

it("retries with growing, bounded, jittered delays, and gives up after the last attempt", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (attempts, fraction) => {
        const random = { fraction: () => fraction, bytes: () => Buffer.alloc(0) };
        const outcome = decide(new Error("no"), attempts, policy, 1_000, random);
        if (attempts >= policy.attempts) {
          expect(outcome).toMatchObject({ kind: "dead", attempts });
          return;
        }
        expect(outcome).toMatchObject({ kind: "retry", attempts });
        if (outcome.kind !== "retry") return;
        const delay = outcome.at - 1_000;
        expect(delay).toBeGreaterThanOrEqual(policy.firstMs / 2);
        const most = policy.firstMs / 2 + policy.firstMs * 2 ** (attempts - 1) + 1;
        expect(delay).toBeLessThanOrEqual(Math.min(most, policy.maxMs));
      },
    ),
  );
});

it("takes a handler's own word for it: never again, or not before", () => {
  const random = { fraction: () => 0.5, bytes: () => Buffer.alloc(0) };
  const outcomeOf = (thrown: unknown, attempts = 1) =>
    decide(thrown, attempts, policy, 1_000, random);
  expect(outcomeOf(new Reject("no such account"))).toMatchObject({ kind: "dead", attempts: 1 });
  expect(outcomeOf(new RetryAfter(5_000))).toMatchObject({ kind: "retry", at: 6_000 });
  expect(outcomeOf(new RetryAfter(new Date(9_000)))).toMatchObject({ kind: "retry", at: 9_000 });
  expect(outcomeOf(new RetryAfter(new Date(0)))).toMatchObject({ at: 1_000 });
  expect(outcomeOf(new RetryAfter(Number.NaN))).toMatchObject({ kind: "retry" });
  expect(outcomeOf(new RetryAfter(Number.POSITIVE_INFINITY))).toMatchObject({
    at: 1_000 + limits.delayMaxMs,
  });
  expect(outcomeOf(new RetryAfter(5_000), policy.attempts)).toMatchObject({ kind: "dead" });
  const declared = new MillraceError("MR_EMIT_UNDECLARED", "not declared");
  expect(outcomeOf(declared)).toMatchObject({ kind: "dead", attempts: 1 });
});

it("keeps an error with its causes, and no more of it than people read", () => {
  const root = new Error("no route to host");
  const failure = failureOf(new Error("x".repeat(10_000), { cause: root }));
  expect(failure.message).toHaveLength(limits.failureMessageLengthMax);
  expect(failure.cause).toMatchObject({ name: "Error", message: "no route to host" });
  const circle = new Error("circle");
  circle.cause = circle;
  expect(JSON.stringify(failureOf(circle)).match(/"circle"/g)).toHaveLength(
    limits.failureCausesMax + 1,
  );
  expect(failureOf("a text")).toMatchObject({ message: "a text", cause: undefined });
});

it("groups errors that are the same mistake, and tells others apart", () => {
  const at = (message: string, frame: string) => {
    const error = new Error(message);
    error.stack = `Error: ${message}\n    at ${frame}`;
    return failureOf(error);
  };
  const print = (failure: ReturnType<typeof failureOf>) => fingerprintOf("thing.counted", failure);
  const one = print(at("no row 17", "store (app.ts:10:3)"));
  expect(print(at("no row 23", "store (app.ts:12:9)"))).toBe(one);
  expect(print(at("no column 17", "store (app.ts:10:3)"))).not.toBe(one);
  expect(print(at("no row 17", "load (app.ts:10:3)"))).not.toBe(one);
});

it("finds a broken dependency behind an error, however deep, and nowhere else", () => {
  const gone = new MillraceError("MR_DATABASE_UNAVAILABLE", "gone");
  expect(isDependencyFailure(gone)).toBe(true);
  expect(
    isDependencyFailure(new Error("wrapped", { cause: new Error("b", { cause: gone }) })),
  ).toBe(true);
  expect(isDependencyFailure(new MillraceError("MR_DATA_INVALID", "bad"))).toBe(false);
  expect(isDependencyFailure("a string")).toBe(false);
});
