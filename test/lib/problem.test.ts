/**
 * Proves what a client is told about an error: a problem document with the error's stable code and
 * its remedy, and never what belongs into the log only.
 */
import { expect, test } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import { problemOf } from "../../src/lib/problem.ts";

test("an operating error tells what happened, what to do, and where", () => {
  const error = new MillraceError("MR_DATA_INVALID", "The text is too long.", {
    remedy: "Send at most 500 characters.",
    faults: [{ detail: "too long", pointer: "#/data/text" }],
  });
  expect(problemOf(error, { instance: "/events/post", traceId: "abc" })).toEqual({
    type: "/problems/data-invalid",
    title: "The data does not fit the event's schema",
    status: 422,
    detail: "The text is too long. Send at most 500 characters.",
    instance: "/events/post",
    code: "MR_DATA_INVALID",
    traceId: "abc",
    errors: [{ detail: "too long", pointer: "#/data/text" }],
  });
});

test("types are absolute once the public address is known, and registered ones stay theirs", () => {
  const baseUrl = "https://api.test";
  const draining = new MillraceError("MR_DRAINING", "Going.");
  expect(problemOf(draining, { baseUrl }).type).toBe("https://api.test/problems/draining");
  const limited = new MillraceError("MR_RATE_LIMITED", "Slow down.");
  expect(problemOf(limited, { baseUrl }).type).toMatch(/^https:\/\/iana\.org\/.*#quota-exceeded$/);
});

test.each([
  new TypeError("cannot read /etc/secret at select * from users"),
  "a thrown string with /etc/secret",
  new MillraceError("MR_DATA_UNUSABLE", "cannot open /etc/secret: select * from users", {
    extra: { path: "/etc/secret" },
  }),
])("inner errors stay inside: %s", (error) => {
  const problem = problemOf(error);
  expect(problem.status).toBe(500);
  expect(JSON.stringify(problem)).not.toMatch(/secret|select|stack/);
});
