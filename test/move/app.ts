/** A system whose every effect shows: nothing in its tables makes a row unique. */
import { defineDatabase, defineEvent, defineSystem, defineWorker, on, Reject } from "millrace";
import { z } from "zod";

const data = z.object({
  account: z.string(),
  n: z.number(),
  kind: z.enum(["plain", "stuck", "dead"]).default("plain"),
});

const Entered = defineEvent("entry.made", { data, key: ({ account }) => account });
const Booked = defineEvent("entry.booked", { data, key: ({ account }) => account });

interface Tables {
  readonly entries: {
    readonly seq?: number;
    readonly id: string;
    readonly account: string;
    readonly n: number;
    readonly share: number;
    readonly first: boolean;
    readonly note: string;
    readonly bytes: Uint8Array;
  };
}

const database = () =>
  defineDatabase<Tables>({
    migrations: {
      "001-entries": (db) =>
        db.schema
          .createTable("entries")
          .addColumn("seq", "integer", (column) => column.primaryKey().autoIncrement())
          .addColumn("id", "text", (column) => column.notNull())
          .addColumn("account", "text", (column) => column.notNull())
          .addColumn("n", "integer", (column) => column.notNull())
          .addColumn("share", "double precision", (column) => column.notNull())
          .addColumn("first", "boolean", (column) => column.notNull())
          .addColumn("note", "jsonb", (column) => column.notNull())
          .addColumn("bytes", "blob", (column) => column.notNull())
          .execute(),
    },
  });

const rowOf = (id: string, { account, n }: z.infer<typeof data>) => ({
  ...{ id, account, n, share: n / 3, first: n === 0 },
  note: JSON.stringify({ n, said: `"${account}" 💧` }),
  bytes: Buffer.from(account),
});

/** What is broken is mended by who starts the system anew. */
const isBroken = process.env.LEDGER === "broken";

const ledger = defineWorker("ledger", database(), {
  handlers: [
    on(
      Entered,
      { attempts: 50, backoff: { firstMs: 100, maxMs: 5_000 }, emits: [Booked] },
      async ({ id, data }, { db, emit }) => {
        if (data.kind === "dead") throw new Reject("There is no such account.");
        if (data.kind === "stuck" && isBroken) throw new Error("The bank is closed.");
        await db.insertInto("entries").values(rowOf(id, data)).execute();
        emit(Booked, data);
      },
    ),
  ],
});

const mirror = defineWorker("mirror", database(), {
  handlers: [
    on(Booked, async ({ id, data }, { db }) => {
      await db.insertInto("entries").values(rowOf(id, data)).execute();
    }),
  ],
});

export default defineSystem("books", { accepts: [Entered], workers: [ledger, mirror] });
