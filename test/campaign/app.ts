/** Two workers, the second fed by the first: all that a campaign needs to see an effect. */
import { defineDatabase, defineEvent, defineSystem, defineWorker, on } from "millrace";
import { z } from "zod";

const data = z.object({ key: z.string(), n: z.number() });
const Counted = defineEvent("thing.counted", { data, key: ({ key }) => key });
const Followed = defineEvent("thing.followed", { data, key: ({ key }) => key });

interface Tables {
  effects: { key: string; n: number };
}

const effects = () =>
  defineDatabase<Tables>({
    migrations: {
      "001-effects": (db) =>
        db.schema
          .createTable("effects")
          .addColumn("key", "text")
          .addColumn("n", "integer")
          .execute(),
    },
  });

const first = defineWorker("first", effects(), {
  handlers: [
    on(Counted, { emits: [Followed] }, async ({ data }, { db, emit }) => {
      await db.insertInto("effects").values(data).execute();
      emit(Followed, data);
    }),
  ],
});

const second = defineWorker("second", effects(), {
  handlers: [
    on(Followed, async ({ data }, { db }) => {
      await db.insertInto("effects").values(data).execute();
    }),
  ],
});

export default defineSystem("campaign", { accepts: [Counted], workers: [first, second] });
