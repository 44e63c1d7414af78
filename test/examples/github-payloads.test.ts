/**
 * What the GitHub example makes of a delivery: its signature is checked as GitHub makes it, every
 * payload of GitHub's own examples becomes an activity that fits the event's schema, and the right
 * people are told.
 */
import { createRequire } from "node:module";
import { expect, it } from "vitest";
import { RepositoryActivity } from "../../examples/github/events.ts";
import { type Payload, payloadSchema } from "../../examples/github/payload.ts";
import { peopleIn } from "../../examples/github/people.ts";
import { activityOf, isSigned, signatureOf } from "../../examples/github/webhook.ts";

const kinds: readonly { name: string; examples: readonly unknown[] }[] = createRequire(
  import.meta.url,
)("@octokit/webhooks-examples");

const people = (payload: Payload) =>
  peopleIn(payload).map(({ user, reason }) => `${user}: ${reason}`);

it("checks the signature of GitHub's documentation, and refuses every other", () => {
  // The example of "Validating webhook deliveries" at docs.github.com.
  const key = "It's a Secret to Everybody";
  const rawBody = Buffer.from("Hello, World!");
  const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  const signed = (value: string | undefined, body: Uint8Array = rawBody) =>
    isSigned({ headers: { "x-hub-signature-256": value }, rawBody: body }, key);

  expect(signatureOf(rawBody, key)).toBe(signature);
  expect(signed(signature)).toBe(true);
  expect(signed(signature, Buffer.from("Hello, World?"))).toBe(false);
  expect(signed(signature.toUpperCase())).toBe(false);
  expect(signed(signature.slice(0, -1))).toBe(false);
  expect(signed(`${signature.slice(0, -1)}é`)).toBe(false);
  expect(signed("")).toBe(false);
  expect(signed(undefined)).toBe(false);
});

it("makes an activity that fits the schema of every payload of GitHub's examples", () => {
  for (const { name, examples } of kinds) {
    for (const example of examples) {
      const activity = activityOf(name, "delivery-1", payloadSchema.parse(example));
      const checked = RepositoryActivity.data.safeParse(activity);
      expect(checked.error, `${name}: ${JSON.stringify(activity)}`).toBeUndefined();
      expect(activity.repository).toMatch(/^(?:[\w.-]+\/[\w.-]+|(?:org|user):[\w[\]-]+|github)$/);
    }
  }
});

it("tells whom a delivery concerns, each once, and nobody of what they said themselves", () => {
  const sender = { login: "ada" };
  const body = (text: string) => ({ action: "created", sender, comment: { body: text } });

  expect(people({ action: "assigned", sender, assignee: { login: "grace" } })).toEqual([
    "grace: assign",
  ]);
  expect(people({ action: "unassigned", sender, assignee: { login: "grace" } })).toEqual([]);
  expect(people({ action: "assigned", sender, assignee: { login: "Ada" } })).toEqual([
    "Ada: assign",
  ]);
  expect(people(body("as @Ada said"))).toEqual([]);
  expect(people(body("@grace, @Grace and @linus: see @org/team, `@code`, a@b.org"))).toEqual([
    "grace: mention",
    "linus: mention",
  ]);
  expect(people({ ...body("@grace"), action: "deleted" })).toEqual([]);
  expect(people({ ...body("thanks"), issue: { user: { login: "grace" } } })).toEqual([
    "grace: author",
  ]);
  expect(people({ sender, commits: [{ message: "Fix it\n\nReported by @grace" }] })).toEqual([
    "grace: mention",
  ]);
});
