import { defineDatabase, defineWorker, on, query } from "millrace";
import { z } from "zod";
import { PersonNotified } from "./events.ts";

/** `person` is the login in lower case: GitHub's logins differ in case but not in meaning. */
interface InboxTables {
  messages: {
    id: string;
    person: string;
    reason: string;
    delivery: string;
    repository: string;
    summary: string;
    url: string | null;
    at: string;
  };
}

const database = defineDatabase<InboxTables>({
  migrations: {
    "001-messages": async (db) => {
      await db.schema
        .createTable("messages")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("person", "text", (column) => column.notNull())
        .addColumn("reason", "text", (column) => column.notNull())
        .addColumn("delivery", "text", (column) => column.notNull())
        .addColumn("repository", "text", (column) => column.notNull())
        .addColumn("summary", "text", (column) => column.notNull())
        .addColumn("url", "text")
        .addColumn("at", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("messages_by_person")
        .on("messages")
        .columns(["person", "at"])
        .execute();
    },
  },
});

const listKey = (user: string) => `list:${user.toLowerCase()}`;
const messagesMax = 1_000;

/** Worker B: tells people what concerns them. */
export const inbox = defineWorker("inbox", database, {
  description: "What each person is to be told.",
  handlers: [
    on(PersonNotified, async (event, { db, cache }) => {
      const { user, ...data } = event.data;
      await db
        .insertInto("messages")
        .values({
          ...data,
          id: event.id,
          person: user.toLowerCase(),
          at: event.time.toISOString(),
        })
        .execute();
      cache.touch(listKey(user));
    }),
  ],
  queries: {
    list: query(
      {
        input: z.object({ user: z.string().min(1) }),
        cacheKey: ({ user }) => listKey(user),
        description: "What concerns a person, newest first.",
      },
      ({ input, db }) =>
        db
          .selectFrom("messages")
          .select(["id", "reason", "delivery", "repository", "summary", "url", "at"])
          .where("person", "=", input.user.toLowerCase())
          .orderBy("at", "desc")
          .orderBy("id", "desc")
          .limit(messagesMax)
          .execute(),
    ),
    totals: query(
      { input: z.object({}), description: "How many messages each person has." },
      ({ db }) =>
        db
          .selectFrom("messages")
          .select((is) => ["person", is.fn.countAll<number>().as("messages")])
          .groupBy("person")
          .orderBy("person")
          .execute(),
    ),
  },
});
