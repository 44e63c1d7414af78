import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import type { Kysely } from "kysely";
import type { DatabaseEngine, Transaction } from "../../database/engine.ts";
import { isMillraceError } from "../../lib/errors.ts";
import { assertRejects } from "../assert-rejects.ts";
import type { DatabaseScenario } from "./scenario.ts";
import { gate, items, put, putBy, withItems } from "./support.ts";

/** Runs a serializable transaction until no other one stands against it. */
async function serially(
  engine: DatabaseEngine,
  work: (tx: Transaction) => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      return await engine.transaction(work, { isSerializable: true });
    } catch (thrown) {
      if (!isMillraceError(thrown, "MR_DATABASE_CONFLICT")) throw thrown;
    }
  }
}

/** All or nothing, one after another, and nothing once it is over. */
export const transactions: readonly DatabaseScenario[] = [
  {
    name: "what a transaction wrote is there once it has resolved",
    async run(open) {
      const engine = await withItems(await open());
      const result = await engine.transaction(async (tx) => {
        await put(tx, "a");
        await putBy(tx.db, "b");
        return "result";
      });
      strictEqual(result, "result");
      deepStrictEqual(await items(engine), ["a", "b"]);
    },
  },
  {
    name: "a transaction that rejects leaves nothing and passes its error on",
    async run(open) {
      const engine = await withItems(await open());
      const error = new Error("no");
      const work = engine.transaction(async (tx) => {
        await put(tx, "a");
        await putBy(tx.db, "b");
        throw error;
      });
      await rejects(work, (thrown) => thrown === error);
      deepStrictEqual(await items(engine), []);
      await engine.transaction((tx) => put(tx, "a"));
      deepStrictEqual(await items(engine), ["a"]);
    },
  },
  {
    name: "nobody ever reads what is rolled back",
    async run(open) {
      const engine = await withItems(await open());
      // An engine may answer at once or when the transaction is over, so that it is not waited for.
      let seen: Promise<string[]> | undefined;
      const work = engine.transaction(async (tx) => {
        await put(tx, "a");
        seen = items(engine);
        throw new Error("no");
      });
      await rejects(work);
      deepStrictEqual(await seen, []);
    },
  },
  {
    name: "transactions run one after another, in the order in which they were asked for",
    async run(open) {
      const engine = await withItems(await open());
      const { opened, open: letGo } = gate();
      const steps: string[] = [];
      const first = engine.transaction(async (tx) => {
        await put(tx, "a");
        await opened;
        steps.push("first");
      });
      const others = ["second", "third"].map((name) =>
        engine.transaction(async (tx) => {
          const rows = await tx.run("select id from items");
          steps.push(`${name} sees ${rows.length}`);
          await put(tx, name);
        }),
      );
      letGo();
      await Promise.all([first, ...others]);
      deepStrictEqual(steps, ["first", "second sees 1", "third sees 2"]);
    },
  },
  {
    name: "a transaction that fails does not hold up the next",
    async run(open) {
      const engine = await withItems(await open());
      const failed = engine.transaction(() => Promise.reject(new Error("no")));
      const next = engine.transaction((tx) => put(tx, "a"));
      await rejects(failed);
      await next;
      deepStrictEqual(await items(engine), ["a"]);
    },
  },
  {
    name: "a handle that outlives its transaction writes nothing",
    async run(open) {
      const engine = await withItems(await open());
      const kept = await engine.transaction(async ({ db }) => db);
      await assertRejects(putBy(kept, "a"), "MR_HANDLE_CLOSED");
      let failed: Kysely<unknown> | undefined;
      const work = engine.transaction(async ({ db }) => {
        failed = db;
        throw new Error("no");
      });
      await rejects(work);
      if (failed !== undefined) await assertRejects(putBy(failed, "a"), "MR_HANDLE_CLOSED");
      deepStrictEqual(await items(engine), []);
    },
  },
  {
    name: "close lets what was asked for finish, and can be called again",
    async run(open) {
      const engine = await withItems(await open());
      const { opened, open: letGo } = gate();
      const steps: string[] = [];
      const running = engine.transaction(async (tx) => {
        await opened;
        await put(tx, "a");
        steps.push("first");
      });
      const waiting = engine.transaction(async (tx) => {
        await put(tx, "b");
        steps.push("second");
      });
      const closed = engine.close().then(() => steps.push("closed"));
      letGo();
      await Promise.all([running, waiting, closed, engine.close()]);
      deepStrictEqual(steps, ["first", "second", "closed"]);
      await engine.close();
    },
  },
  {
    name: "a closed engine does nothing more and says so",
    async run(open) {
      const engine = await withItems(await open());
      await engine.close();
      const work = engine.transaction(async () => strictEqual("this", "never runs"));
      await assertRejects(work, "MR_DATABASE_UNAVAILABLE");
      await assertRejects(items(engine), "MR_DATABASE_UNAVAILABLE");
    },
  },
  {
    name: "what was committed is there after the engine is opened again",
    needs: "restart",
    async run(open) {
      const first = await withItems(await open());
      await first.transaction((tx) => put(tx, "a"));
      await first.close();
      deepStrictEqual(await items(await open()), ["a"]);
    },
  },
  {
    name: "a transaction waits for that of another instance, and sees what it wrote",
    needs: "sharing",
    async run(open) {
      const [one, other] = [await withItems(await open()), await open()];
      const { opened, open: letGo } = gate();
      const written = gate();
      const steps: string[] = [];
      await one.transaction((tx) => put(tx, "a", 0));
      const first = one.transaction(async (tx) => {
        await tx.run("update items set n = n + 1 where id = 'a'");
        written.open();
        await opened;
        steps.push("first");
      });
      await written.opened;
      const second = other.transaction(async (tx) => {
        await tx.run("update items set n = n + 1 where id = 'a'");
        steps.push("second");
      });
      letGo();
      await Promise.all([first, second]);
      deepStrictEqual(steps, ["first", "second"]);
      deepStrictEqual(
        (await one.read("select n from items")).map(({ n }) => Number(n)),
        [2],
      );
    },
  },
  {
    name: "what a serializable transaction has read is still true when it commits",
    needs: "sharing",
    async run(open) {
      const [one, other] = [await withItems(await open()), await open()];
      await one.transaction(async (tx) => {
        await put(tx, "left", 1);
        await put(tx, "right", 2);
      });
      const copy = async (engine: DatabaseEngine, from: string, to: string) => {
        await serially(engine, async (tx) => {
          const [row] = await tx.run<{ n: number }>("select n from items where id = $1", [from]);
          await tx.run("update items set n = $1 where id = $2", [Number(row?.n), to]);
        });
      };
      for (let times = 0; times < 10; times++) {
        await Promise.all([copy(one, "left", "right"), copy(other, "right", "left")]);
        const rows = await one.read<{ n: number }>("select distinct n from items");
        strictEqual(rows.length, 1);
      }
    },
  },
  {
    name: "a transaction that runs alone is undone by nobody, and sees what it waited for",
    needs: "sharing",
    async run(open) {
      const [one, other] = [await withItems(await open()), await open()];
      await one.transaction((tx) => put(tx, "count", 0));
      const add = async (tx: Transaction) => {
        const [row] = await tx.run<{ n: number }>("select n from items where id = 'count'");
        await tx.run("update items set n = $1 where id = 'count'", [Number(row?.n) + 1]);
      };
      const adding = async (engine: DatabaseEngine, isAlone: boolean) => {
        for (let times = 0; times < 20; times++) {
          if (isAlone) await engine.transaction(add, { isAlone, isSerializable: true });
          else await serially(engine, add);
        }
      };
      await Promise.all([adding(one, true), adding(other, false)]);
      const rows = await one.read<{ n: number }>("select n from items");
      strictEqual(Number(rows[0]?.n), 40);
    },
  },
  {
    name: "no instance overwrites what another has added meanwhile",
    needs: "sharing",
    async run(open) {
      const engines = [await withItems(await open()), await open(), await open()];
      await engines[0]?.transaction((tx) => put(tx, "count", 0));
      const add = async (engine: (typeof engines)[number]) => {
        for (let times = 0; times < 20; times++) {
          await engine.transaction(async (tx) => {
            const update = "update items set n = n + 0 where id = 'count' returning n";
            const [row] = await tx.run<{ n: number }>(update);
            await tx.run("update items set n = $1 where id = 'count'", [Number(row?.n) + 1]);
          });
        }
      };
      await Promise.all(engines.map(add));
      const rows = await engines[0]?.read<{ n: number }>("select n from items");
      strictEqual(Number(rows?.[0]?.n), 60);
    },
  },
  {
    name: "a handle of one round takes what is sent before the first answer, and nothing after it",
    async run(open) {
      const engine = await withItems(await open());
      await engine.transaction(async (tx) => {
        const one = tx.oneRound?.();
        const other = tx.oneRound?.();
        // Where no statement travels, none has to wait for another's answer.
        if (one === undefined || other === undefined) return;
        await Promise.all([putBy(one.db, "a"), putBy(other.db, "b"), putBy(one.db, "c")]);
        strictEqual(one.isRefused, false);
        await rejects(putBy(one.db, "d"));
        strictEqual(one.isRefused, true);
        strictEqual(other.isRefused, false);
        other.noteRead();
        await rejects(putBy(other.db, "e"));
        strictEqual(other.isRefused, true);
        const closed = tx.oneRound?.();
        closed?.close();
        await rejects(async () => putBy(closed?.db as Kysely<unknown>, "f"));
      });
      const found = await items(engine);
      deepStrictEqual(found, found.length === 0 ? [] : ["a", "b", "c"]);
    },
  },
];
