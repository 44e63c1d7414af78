/**
 * The types hold end to end. `tsc` proves it: what must be refused carries `@ts-expect-error`,
 * which is itself an error where the line compiles.
 */
import {
  defineDatabase,
  defineEvent,
  defineSystem,
  defineWorker,
  on,
  type QueryContext,
  type QueryInput,
  type QueryOutput,
  query,
} from "millrace";
import { expect, expectTypeOf, it } from "vitest";
import { z } from "zod";

const PostPublished = defineEvent("post.published", {
  data: z.object({ author: z.string(), text: z.string() }),
  key: (post) => post.author,
});
const MentionFound = defineEvent("mention.found", {
  data: z.object({ user: z.string(), at: z.coerce.date() }),
  key: (mention) => mention.user,
});
const Unrelated = defineEvent("unrelated.thing", {
  data: z.object({ user: z.string() }),
  key: ({ user }) => user,
});

interface Tables {
  posts: { id: string; text: string };
}
const database = defineDatabase<Tables>({ migrations: {} });

it("types the event, the tables and the emitted events in a handler", () => {
  defineEvent("typo.made", {
    data: z.object({ author: z.string() }),
    // @ts-expect-error the schema has no such property
    key: (post) => post.autor,
  });
  const worker = defineWorker("timelines", database, {
    handlers: [
      on(PostPublished, { emits: [MentionFound] }, async (event, { db, emit }) => {
        expectTypeOf(event.data).toEqualTypeOf<{ author: string; text: string }>();
        expectTypeOf(event.type).toEqualTypeOf<"post.published">();
        await db.insertInto("posts").values({ id: event.id, text: event.data.text }).execute();
        emit(MentionFound, { user: "grace", at: "2026-01-01" });
        // @ts-expect-error not declared in `emits`
        emit(Unrelated, { user: "grace" });
        // @ts-expect-error no such property
        emit(MentionFound, { usr: "grace" });
        // @ts-expect-error no such table
        await db.insertInto("nope").values({ id: "" }).execute();
      }),
      on(MentionFound, async (event, { emit }) => {
        expectTypeOf(event.data.at).toEqualTypeOf<Date>();
        // @ts-expect-error nothing may be emitted
        emit(MentionFound, { user: "grace" });
      }),
      on(
        Unrelated,
        {
          prepare: async (event) => {
            expectTypeOf(event.data.user).toEqualTypeOf<string>();
            return 42;
          },
        },
        (_event, { prepared }) => {
          expectTypeOf(prepared).toEqualTypeOf<number>();
        },
      ),
    ],
    queries: {
      home: query({ input: z.object({ limit: z.coerce.number() }) }, async ({ input, db }) => {
        expectTypeOf(input.limit).toEqualTypeOf<number>();
        // @ts-expect-error no such column
        await db.selectFrom("posts").select("nope").execute();
        return await db.selectFrom("posts").select("text").limit(input.limit).execute();
      }),
    },
  });
  const system = defineSystem("social", {
    accepts: [PostPublished, Unrelated, MentionFound],
    workers: [worker],
  });
  expectTypeOf(system.name).toEqualTypeOf<"social">();
  expectTypeOf(system.workers[0].name).toEqualTypeOf<"timelines">();
  expectTypeOf(system.workers[0].queries.home.run).returns.resolves.toEqualTypeOf<
    { text: string }[]
  >();
  expect([...system.events.keys()]).toEqual(["post.published", "unrelated.thing", "mention.found"]);
});

it("types the input and output of a query for its callers", () => {
  const home = query(
    { input: z.object({ user: z.string(), limit: z.coerce.number<string>() }) },
    async ({ db }: QueryContext<Tables, unknown>) =>
      await db.selectFrom("posts").select("text").execute(),
  );
  expectTypeOf<QueryInput<typeof home>>().toEqualTypeOf<{ user: string; limit: string }>();
  expectTypeOf<QueryOutput<typeof home>>().toEqualTypeOf<{ text: string }[]>();
});
