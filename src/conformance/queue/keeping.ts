import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { assertRejects } from "../assert-rejects.ts";
import type { Scenario } from "./scenario.ts";
import {
  appendAll,
  appendOne,
  assertPositionsGrow,
  cursors,
  idsOf,
  readAll,
  record,
  request,
  requests,
} from "./support.ts";

/** What the queue knows of what it keeps, and how it lets go of it. */
export const keeping: readonly Scenario[] = [
  {
    name: "ends tell each partition's newest position, 0 where none ever was",
    async run(open) {
      const engine = await open();
      deepStrictEqual(new Map(await engine.ends()), cursors());
      const one = await appendOne(engine, request("one", 1));
      const three = await appendOne(engine, request("three", 3));
      deepStrictEqual(
        new Map(await engine.ends()),
        cursors({ 1: one.position, 3: three.position }),
      );
    },
  },
  {
    name: "positions are never used again: not after everything was trimmed",
    async run(open) {
      const engine = await open();
      const receipts = await appendAll(engine, requests("old", 40));
      const ends = await engine.ends();
      for (const [partition, end] of ends) await engine.trim(partition, end);
      deepStrictEqual(new Map(await engine.ends()), new Map(ends));
      for (const { partition, position } of await appendAll(engine, requests("new", 40))) {
        ok(position > (ends.get(partition) ?? 0));
      }
      strictEqual(receipts.length, 40);
    },
  },
  {
    name: "positions are never used again: not after a trim of everything and a restart",
    needs: "restart",
    async run(open) {
      const before = await open();
      await appendAll(before, requests("old", 40));
      const ends = await before.ends();
      for (const [partition, end] of ends) await before.trim(partition, end);
      await before.close();
      const engine = await open();
      deepStrictEqual(new Map(await engine.ends()), new Map(ends));
      for (const { partition, position } of await appendAll(engine, requests("new", 40))) {
        ok(position > (ends.get(partition) ?? 0));
      }
    },
  },
  {
    name: "a trim takes one partition's events up to the position, and no other",
    async run(open) {
      const engine = await open();
      const receipts = await appendAll(engine, requests("event", 80));
      const inOne = receipts.filter(({ partition }) => partition === 1);
      const tenth = inOne[9]?.position ?? 0;
      await engine.trim(1, tenth);
      const left = await readAll(engine, cursors({ 1: tenth }));
      const expected = receipts.filter(
        ({ partition, position }) => partition !== 1 || position > tenth,
      );
      assertPositionsGrow(left);
      deepStrictEqual(idsOf(left).sort(), expected.map(({ id }) => id).sort());
      strictEqual((await engine.health()).storedEvents, 70);
      await engine.trim(1, tenth);
      await engine.trim(1, 0);
      strictEqual((await engine.health()).storedEvents, 70);
    },
  },
  {
    name: "a trim beyond the end stops at the end",
    async run(open) {
      const engine = await open();
      const first = await appendOne(engine, request("first", 2));
      await engine.trim(2, first.position + 1_000);
      const next = await appendOne(engine, request("next", 2));
      deepStrictEqual(idsOf(await readAll(engine, cursors({ 2: first.position }))), ["next"]);
      ok(next.position > first.position);
    },
  },
  {
    name: "events trimmed before they were read are reported, never skipped",
    async run(open) {
      const engine = await open();
      const receipts = await appendAll(engine, requests("event", 40));
      const inTwo = receipts.filter(({ partition }) => partition === 2);
      const reading = engine.subscribe(cursors());
      await reading.next(4, 0);
      await engine.trim(2, inTwo[4]?.position ?? 0);
      await assertRejects(reading.next(10, 0), "MR_QUEUE_GAP");
      await assertRejects(reading.next(10, 0), "MR_QUEUE_GAP");
      await assertRejects(engine.subscribe(cursors()).next(10, 0), "MR_QUEUE_GAP");
      // Other partitions are not touched by it, and from the gap on it can be read.
      const left = await readAll(engine, cursors({ 2: inTwo[4]?.position ?? 0 }));
      strictEqual(left.length, 35);
    },
  },
  {
    name: "a position beyond the end is reported: the newest events are lost",
    async run(open) {
      const engine = await open();
      const { position } = await appendOne(engine, request("event", 1));
      await assertRejects(
        engine.subscribe(cursors({ 1: position + 5 })).next(10, 0),
        "MR_QUEUE_GAP",
      );
    },
  },
  {
    name: "positionAt finds the last event accepted before a time",
    async run(open) {
      const engine = await open();
      const times = new Set<number>();
      for (let at = 0; times.size < 4; at++) {
        await appendOne(engine, request(`event-${at}`, at % 2));
        for (const { acceptedAt } of await engine.find(`event-${at}`)) times.add(acceptedAt);
      }
      const events = await readAll(engine);
      for (const time of [...times, 0, Math.max(...times) + 1]) {
        for (const partition of [0, 1, 2]) {
          const before = events.filter(
            (one) => one.partition === partition && one.acceptedAt < time,
          );
          strictEqual(await engine.positionAt(partition, time), before.at(-1)?.position ?? 0);
        }
      }
    },
  },
  {
    name: "positionAt after a trim can be subscribed from",
    async run(open) {
      const engine = await open();
      const receipts = await appendAll(engine, requests("event", 40));
      const inZero = receipts.filter(({ partition }) => partition === 0);
      await engine.trim(0, inZero[4]?.position ?? 0);
      const from = await engine.positionAt(0, 0);
      strictEqual((await readAll(engine, new Map([[0, from]]))).length, 5);
    },
  },
  {
    name: "find tells where an id stands, for each source that used it",
    async run(open) {
      const engine = await open();
      await appendAll(engine, requests("other", 20));
      const [one, two] = await engine.append([
        request("same", 1, { source: "/one" }),
        request("same", 2, { source: "/two" }),
      ]);
      const found = await engine.find("same");
      deepStrictEqual(
        found.map(({ source, partition, position }) => [source, partition, position]).sort(),
        [
          ["/one", 1, one?.position],
          ["/two", 2, two?.position],
        ],
      );
      const [only, ...rest] = await engine.find("same", "/two");
      strictEqual(rest.length, 0);
      deepStrictEqual(only?.event, record("same", { source: "/two" }));
      ok((only?.acceptedAt ?? 0) > 0);
      deepStrictEqual(await engine.find("same", "/three"), []);
      deepStrictEqual(await engine.find("sam"), []);
    },
  },
  {
    name: "find knows an id after its event was trimmed, and a repeat is still a duplicate",
    async run(open) {
      const engine = await open();
      const first = await appendOne(engine, request("same", 1));
      await appendOne(engine, request("next", 1));
      await engine.trim(1, first.position);
      const [found] = await engine.find("same");
      strictEqual(found?.position, first.position);
      strictEqual("event" in (found ?? {}), false);
      deepStrictEqual(await appendOne(engine, request("same", 1)), { ...first, duplicate: true });
    },
  },
  {
    name: "health counts what is stored and says how durable it is",
    async run(open) {
      const engine = await open();
      const empty = await engine.health();
      strictEqual(empty.status, "pass");
      strictEqual(empty.storedEvents, 0);
      strictEqual("oldestAcceptedAt" in empty, false);
      const receipts = await appendAll(engine, requests("event", 400));
      const health = await engine.health();
      strictEqual(health.storedEvents, 400);
      ok(health.storedBytes > 0);
      strictEqual(health.durable, receipts[0]?.durable);
      match(health.detail, /\S/);
      const [oldest] = await readAll(engine);
      if (health.oldestAcceptedAt !== undefined) {
        strictEqual(health.oldestAcceptedAt, oldest?.acceptedAt);
      }
    },
  },
  {
    name: "the identity is the data's: the same after a restart",
    needs: "restart",
    async run(open) {
      const before = await open();
      const { identity, partitions } = before;
      ok(identity.length >= 16);
      await before.close();
      const after = await open();
      strictEqual(after.identity, identity);
      strictEqual(after.partitions, partitions);
    },
  },
  {
    name: "close is idempotent and ends everything in order",
    async run(open) {
      const engine = await open();
      await appendOne(engine, request("event"));
      const subscription = engine.subscribe(cursors());
      await Promise.all([engine.close(), engine.close()]);
      await engine.close();
      strictEqual((await subscription.next(10, 0)).events.length, 0);
      await assertRejects(engine.append([request("late")]), "MR_QUEUE_UNAVAILABLE");
      await assertRejects(engine.ends(), "MR_QUEUE_UNAVAILABLE");
      notStrictEqual((await engine.health()).status, "pass");
    },
  },
];
