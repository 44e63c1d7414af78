/**
 * What an instance does whose predecessor died: what may have ended its process is found, counts
 * for nobody else, and all else goes on at its pace. On real engines in one process.
 */
import { on } from "millrace";
import { expect, it, vi } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import type { Place } from "../../src/worker/link.ts";
import { Bench, Counted, store, type Tables, wait } from "./bench.ts";
import { replaced } from "./mortal.ts";

it.each([
  ["", false],
  [", also where the queue does not answer at that moment", true],
])(
  "counts an attempt that ended its process, and makes no other event pay for it%s",
  async (_, isQueueAway) => {
    await using bench = await Bench.open();
    const first = await bench.start([store]);
    await first.worker.standing(await bench.publish("z", 0), 20_000);
    await first.worker.stop();
    const culprit = await bench.publish("bad", 1);
    const others = [];
    for (let n = 2; n <= 20; n++) others.push(await bench.publish(n % 2 === 0 ? "bad" : "good", n));
    // As an owner leaves it that was killed while it tried the event for the second time.
    await first.database.transaction(async (tx) => {
      await tx.run("update millrace_positions set owner = 'counter 1', epoch = epoch + 1");
      await tx.run("insert into millrace_attempts values ($1, $2, 2)", [
        culprit.partition,
        culprit.position,
      ]);
    });
    const runs: number[] = [];
    let isAway = isQueueAway;
    const queue = replaced(bench.queue, {
      async ends() {
        if (!isAway) return await bench.queue.ends();
        isAway = false;
        throw new MillraceError("MR_QUEUE_UNAVAILABLE", "An election is under way.");
      },
    });
    const second = await bench.start(
      [
        on<typeof Counted, Tables, never, undefined>(
          Counted,
          { attempts: 3, backoff: { firstMs: 1, maxMs: 1 } },
          async (event, { db }) => {
            if (event.data.n === 1) {
              runs.push(event.attempt);
              throw new Error("no");
            }
            await db
              .insertInto("effects")
              .values({ id: event.id, ...event.data })
              .execute();
          },
        ),
      ],
      { queue },
    );
    for (const receipt of others) {
      expect(await second.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
    }
    expect(await second.worker.standing(culprit, 20_000)).toMatchObject({
      state: "dead",
      attempts: 3,
    });
    expect(runs).toEqual([3]);
    const [letter] = await second.database.read<{ history: string }>(
      "select history from millrace_dead_letters",
    );
    const history = JSON.parse(letter?.history ?? "[]") as { error: string }[];
    expect(history.map(({ error }) => error.split(":")[0])).toEqual(["ProcessEnded", "Error"]);
    const bad = (await bench.effects(second)).filter(({ key }) => key === "bad");
    expect(bad.map(({ n }) => n)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
    expect(await second.database.read("select * from millrace_attempts")).toEqual([]);
  },
);

it("tries those one at a time among which one has ended the process", async () => {
  await using bench = await Bench.open();
  const first = await bench.start([store]);
  await first.worker.standing(await bench.publish("z", 0), 20_000);
  await first.worker.stop();
  const receipts = [];
  for (let n = 1; n <= 30; n++) receipts.push(await bench.publish("abcdefgh"[n % 8] ?? "", n));
  const begunTogether = receipts.slice(0, 12);
  // As an owner leaves it that was killed while it tried the first twelve together.
  await first.database.transaction(async (tx) => {
    await tx.run("update millrace_positions set owner = 'counter 1', epoch = epoch + 1");
    for (const { partition, position } of begunTogether) {
      await tx.run("insert into millrace_attempts values ($1, $2, 0)", [partition, position]);
    }
  });
  const noted = new Map<number, number[]>();
  const second = await bench.start([
    on<typeof Counted, Tables, never, undefined>(Counted, { attempts: 1 }, async ({ data }) => {
      const rows = await second.database.read<{ attempt: number }>(
        "select attempt from millrace_attempts where attempt > 0",
      );
      noted.set(
        data.n,
        rows.map(({ attempt }) => attempt),
      );
    }),
  ]);
  for (const receipt of receipts) {
    expect(await second.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  }
  for (let n = 1; n <= begunTogether.length; n++) expect(noted.get(n), `event ${n}`).toEqual([1]);
  expect(await second.database.read("select * from millrace_attempts")).toEqual([]);
});

it("is back at its pace a few transactions after a death, whatever had gathered", async () => {
  const keys = Array.from({ length: 32 }, (_, key) => `key-${key}`);
  const events = 1_500;
  await using bench = await Bench.open();
  const first = await bench.start([store]);
  await first.worker.standing(await bench.publish("z", 0), 20_000);
  await first.worker.stop();
  let last: Place | undefined;
  for (let n = 1; n <= events; n++) last = await bench.publish(keys[n % keys.length] ?? "", n);
  await first.database.transaction(async (tx) => {
    await tx.run("update millrace_positions set owner = 'counter 1', epoch = epoch + 1");
  });
  let transactions = 0;
  const second = await bench.start([store], {
    around: (database) =>
      replaced(database, {
        transaction: (work, options) => {
          transactions += 1;
          return database.transaction(work, options);
        },
      }),
  });
  await vi.waitFor(async () => {
    expect(await bench.effects(second)).toHaveLength(events + 1);
  }, wait);
  expect(await second.worker.standing(last as Place, 20_000)).toEqual({ state: "done" });
  // One at a time it took two for each of a thousand events.
  expect(transactions).toBeLessThan(100);
});

it("holds nothing against an event whose instance was stopped in order", async () => {
  await using bench = await Bench.open();
  const first = await bench.start([store]);
  await first.worker.standing(await bench.publish("z", 0), 20_000);
  await first.worker.stop();
  const receipt = await bench.publish("a", 1);
  await first.database.transaction(async (tx) => {
    await tx.run("insert into millrace_attempts values ($1, $2, 1)", [
      receipt.partition,
      receipt.position,
    ]);
  });
  const second = await bench.start([
    on<typeof Counted, Tables, never, undefined>(Counted, { attempts: 1 }, () => {}),
  ]);
  expect(await second.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  expect(await second.database.read("select * from millrace_attempts")).toEqual([]);
});

it("leaves nothing out when it is stopped in the middle of events that it began together", async () => {
  await using bench = await Bench.open();
  const receipts = [];
  for (let n = 0; n < 20; n++) receipts.push(await bench.publish(`key-${n}`, n));
  const first = await bench.start([store]);
  await first.worker.stop();
  await first.database.transaction(async (tx) => {
    await tx.run("delete from effects");
    await tx.run("delete from millrace_inbox");
    // As a killed owner leaves it, before all events.
    await tx.run("update millrace_positions set position = 0, owner = 'counter 1'");
  });
  const { promise: fifth, resolve: reached } = Promise.withResolvers<void>();
  const second = await bench.start([
    on<typeof Counted, Tables>(Counted, async (event, { db, signal }) => {
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
      // One was begun alone, then two together; this is one of four.
      if (event.data.n !== 4) return;
      reached();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw new Error("interrupted");
    }),
  ]);
  await fifth;
  await second.worker.stop();
  expect(await bench.effects(second)).toHaveLength(3);
  const last = await bench.start([store]);
  for (const receipt of receipts) {
    expect(await last.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  }
  expect((await bench.effects(last)).map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 20 }, (_, n) => n),
  );
});
