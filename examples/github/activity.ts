import { defineDatabase, defineWorker, on, query } from "millrace";
import { z } from "zod";
import { PersonNotified, RepositoryActivity } from "./events.ts";

/** `place` is the repository in lower case: GitHub's names differ in case but not in meaning. */
interface ActivityTables {
  activities: {
    delivery: string;
    place: string;
    repository: string;
    event: string;
    action: string | null;
    sender: string | null;
    summary: string;
    url: string | null;
    at: string;
  };
}

const database = defineDatabase<ActivityTables>({
  migrations: {
    "001-activities": async (db) => {
      await db.schema
        .createTable("activities")
        .addColumn("delivery", "text", (column) => column.primaryKey())
        .addColumn("place", "text", (column) => column.notNull())
        .addColumn("repository", "text", (column) => column.notNull())
        .addColumn("event", "text", (column) => column.notNull())
        .addColumn("action", "text")
        .addColumn("sender", "text")
        .addColumn("summary", "text", (column) => column.notNull())
        .addColumn("url", "text")
        .addColumn("at", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("activities_by_place")
        .on("activities")
        .columns(["place", "at"])
        .execute();
    },
  },
});

const feedKey = (repository: string) => `feed:${repository.toLowerCase()}`;
const feedMax = 1_000;

/** Worker A: what happened where. */
export const activity = defineWorker("activity", database, {
  description: "A feed of what happened in each repository.",
  handlers: [
    on(RepositoryActivity, { emits: [PersonNotified] }, async (event, { db, cache, emit }) => {
      const { people, ...data } = event.data;
      const { delivery, repository, summary, url } = data;
      await db
        .insertInto("activities")
        .values({ ...data, place: repository.toLowerCase(), at: event.time.toISOString() })
        .execute();
      cache.touch(feedKey(repository));
      for (const { user, reason } of people) {
        emit(PersonNotified, { user, reason, delivery, repository, summary, url });
      }
    }),
  ],
  queries: {
    feed: query(
      {
        input: z.object({ repository: z.string().min(1) }),
        cacheKey: ({ repository }) => feedKey(repository),
        description: "What happened in a repository, newest first.",
      },
      ({ input, db }) =>
        db
          .selectFrom("activities")
          .select(["delivery", "event", "action", "sender", "summary", "url", "at"])
          .where("place", "=", input.repository.toLowerCase())
          .orderBy("at", "desc")
          .orderBy("delivery", "desc")
          .limit(feedMax)
          .execute(),
    ),
    totals: query(
      { input: z.object({}), description: "How many activities each feed holds." },
      ({ db }) =>
        db
          .selectFrom("activities")
          .select((is) => ["place", is.fn.countAll<number>().as("activities")])
          .groupBy("place")
          .orderBy("place")
          .execute(),
    ),
  },
});
