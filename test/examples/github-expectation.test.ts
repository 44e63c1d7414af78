/**
 * The example's checker can fail: it and the application agree on every payload of GitHub's
 * examples and on texts that mention people, and it tells what is lost, doubled or invented.
 */
import { expect, it } from "vitest";
import { compare } from "../../examples/github/compare.ts";
import { planDeliveries } from "../../examples/github/deliveries.ts";
import { expectedOf } from "../../examples/github/expectation.ts";
import { payloadSchema } from "../../examples/github/payload.ts";
import { activityOf } from "../../examples/github/webhook.ts";

const { distinct, sent } = planDeliveries(1);

/** What the application makes of a delivery, in the checker's terms. */
function application(deliveries: readonly { id: string; event: string; body: string }[]) {
  const feeds = new Map<string, string[]>();
  const inboxes = new Map<string, string[]>();
  const put = (lists: Map<string, string[]>, name: string, id: string) =>
    lists.set(name, [...(lists.get(name) ?? []), id]);
  for (const { id, event, body } of deliveries) {
    const activity = activityOf(event, id, payloadSchema.parse(JSON.parse(body)));
    put(feeds, activity.repository.toLowerCase(), id);
    for (const { user } of activity.people) put(inboxes, user.toLowerCase(), id);
  }
  return { feeds, inboxes, activities: deliveries.length, messages: 0 };
}

it("agrees with the application on every payload", () => {
  expect(compare(expectedOf(distinct), application(distinct))).toEqual([]);
  expect(expectedOf(distinct).inboxes.size).toBeGreaterThan(0);
});

it.each([
  "@grace please look",
  "ping (@grace), @linus-2: and ada@example.com",
  "see @org/team and `@code`",
  "thanks, @Grace!",
])("agrees with the application on the text %j", (text) => {
  const payload = {
    action: "created",
    sender: { login: "ada" },
    repository: { full_name: "a/b" },
    comment: { body: text },
  };
  const deliveries = [{ id: "1", event: "issue_comment", body: JSON.stringify(payload) }];
  expect(compare(expectedOf(deliveries), application(deliveries))).toEqual([]);
});

it("sends about a fifth twice, the same for the same seed", () => {
  const twice = sent.length - distinct.length;
  expect(new Set(sent.map(({ id }) => id)).size).toBe(distinct.length);
  expect(twice / distinct.length).toBeGreaterThan(0.1);
  expect(twice / distinct.length).toBeLessThan(0.3);
  expect(planDeliveries(1)).toEqual({ distinct, sent });
  expect(planDeliveries(2).sent).not.toEqual(sent);
});

it("tells what is lost, doubled and invented", () => {
  const some = distinct.slice(0, 3);
  const [first, second, third] = some.map(({ id }) => id);
  const found = application(some);
  const feeds = new Map(
    [...found.feeds].map(([name, ids]) => [
      name,
      ids.flatMap((id) => (id === first ? [] : id === second ? [id, id] : [id])),
    ]),
  );
  feeds.set("github", [...(feeds.get("github") ?? []), "nobody-sent-this"]);
  const faults = compare(expectedOf(some), { ...found, feeds }).map(
    (fault) => fault.split(" in ")[0],
  );
  expect(faults.toSorted()).toEqual(
    [
      `lost: ${first} is not`,
      `twice: ${second} stands`,
      "invented: nobody-sent-this stands",
    ].toSorted(),
  );
  expect(third).toBeDefined();
});
