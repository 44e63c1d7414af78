/**
 * The client is typed by the system: `tsc` proves it. What must be refused carries
 * `@ts-expect-error`, which is itself an error where the line compiles.
 */
import { defineDatabase, defineEvent, defineSystem, defineWorker, on, query } from "millrace";
import { type Client, createClient, type Receipt } from "millrace/client";
import { expect, expectTypeOf, it } from "vitest";
import { z } from "zod";

const PostPublished = defineEvent("post.published", {
  data: z.object({ author: z.string(), at: z.coerce.date() }),
  key: (post) => post.author,
});
const Followed = defineEvent("user.followed", {
  data: z.object({ follower: z.string() }),
  key: ({ follower }) => follower,
});
const Inner = defineEvent("inner.thing", { data: z.object({}), key: () => "one" });
const database = defineDatabase<Record<string, never>>({ migrations: {} });
const system = defineSystem("social", {
  accepts: [PostPublished, Followed],
  workers: [
    defineWorker("timelines", database, {
      handlers: [on(PostPublished, { emits: [Inner] }, async () => {})],
      queries: {
        home: query(
          { input: z.object({ user: z.string(), limit: z.coerce.number() }) },
          async () => [{ text: "hello" }],
        ),
      },
    }),
    defineWorker("plain", database, { handlers: [on(Inner, async () => {})] }),
  ],
});

/** Never called: its types are the test. */
export async function typed(client: Client<typeof system>, receipt: Receipt): Promise<void> {
  expectTypeOf(await client.publish("user.followed", { follower: "a" })).toEqualTypeOf<Receipt>();
  await client.publish("post.published", { author: "ada", at: "2026-01-01" }, { waitSeconds: 5 });
  // @ts-expect-error no such type
  await client.publish("post.publishd", { author: "ada", at: "" });
  // @ts-expect-error clients may not publish what only workers emit
  await client.publish("inner.thing", {});
  // @ts-expect-error data of another event
  await client.publish("user.followed", { author: "ada", at: "" });
  // @ts-expect-error a member is missing
  await client.publish("post.published", { author: "ada" });

  await client.publishMany("user.followed", [{ follower: "a" }, { follower: "b" }]);
  // @ts-expect-error one of them is wrong
  await client.publishMany("user.followed", [{ follower: "a" }, { follower: 5 }]);
  // @ts-expect-error many events are not waited for
  await client.publishMany("user.followed", [], { waitSeconds: 5 });

  const home = await client.query("timelines", "home", { user: "a", limit: 5 }, { after: receipt });
  expectTypeOf(home).toEqualTypeOf<{ text: string }[]>();
  // @ts-expect-error no such worker
  await client.query("timeline", "home", { user: "a", limit: 5 });
  // @ts-expect-error no such query
  await client.query("timelines", "house", { user: "a", limit: 5 });
  // @ts-expect-error a worker without queries has none
  await client.query("plain", "home", { user: "a" });
  // @ts-expect-error input of another shape
  await client.query("timelines", "home", { usr: "a" });
  // @ts-expect-error a position is no receipt
  await client.query("timelines", "home", { user: "a", limit: 5 }, { after: 7 });
}

it("needs the system's type alone", () => {
  expect(createClient<typeof system>({ url: "http://localhost" })).toBeDefined();
});
