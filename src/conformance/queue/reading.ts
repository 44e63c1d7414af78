import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { QueuedEvent } from "../../queue/engine.ts";
import type { Scenario } from "./scenario.ts";
import {
  appendAll,
  appendOne,
  assertPositionsGrow,
  assertSameOrder,
  cursors,
  idsOf,
  readAll,
  request,
  requests,
  take,
} from "./support.ts";

/** What a subscription delivers, and what it tells. */
export const reading: readonly Scenario[] = [
  {
    name: "an empty queue answers with an empty batch, at once",
    async run(open) {
      const engine = await open();
      const batch = await engine.subscribe(cursors()).next(10, 0);
      deepStrictEqual(batch, { events: [], positions: new Map() });
    },
  },
  {
    name: "NewSubscriberReceivesOldMessages, in the order of each partition",
    async run(open) {
      const engine = await open();
      const all = requests("event", 1_000);
      await appendAll(engine, all, 100);
      assertSameOrder(await readAll(engine), all);
    },
  },
  {
    name: "old messages come in the order of their calls over all partitions",
    needs: "oneOrder",
    async run(open) {
      const engine = await open();
      const all = requests("event", 1_000);
      await appendAll(engine, all, 100);
      deepStrictEqual(
        idsOf(await readAll(engine)),
        all.map(({ event }) => event.id),
      );
    },
  },
  {
    name: "a batch is not larger than asked, and continues where the one before ended",
    async run(open) {
      const engine = await open();
      await appendAll(engine, requests("event", 25));
      const subscription = engine.subscribe(cursors());
      const sizes: number[] = [];
      const ids: string[] = [];
      for (const limit of [1, 10, 7, 100]) {
        const batch = await subscription.next(limit, 0);
        sizes.push(batch.events.length);
        ids.push(...idsOf(batch.events));
      }
      deepStrictEqual(sizes, [1, 10, 7, 7]);
      deepStrictEqual(ids, idsOf(await readAll(engine)));
    },
  },
  {
    name: "ConcurrentSubscribe: 50 readers get all of 5,000 events while they are appended",
    async run(open) {
      const engine = await open();
      const all = requests("event", 5_000);
      const readers = Array.from({ length: 50 }, () => take(engine.subscribe(cursors()), 5_000));
      await appendAll(engine, all, 500);
      for (const events of await Promise.all(readers)) assertSameOrder(events, all);
    },
  },
  {
    name: "ContinueAfterSubscribeClose: 5,000 events over five subscriptions, from the positions told",
    async run(open) {
      const engine = await open();
      const all = requests("event", 5_000);
      const seen: QueuedEvent[] = [];
      const reached = cursors();
      for (let part = 0; part < 5; part++) {
        await appendAll(engine, all.slice(part * 1_000, (part + 1) * 1_000));
        const subscription = engine.subscribe(reached);
        for (;;) {
          // Closed in the middle: the rest comes to the next subscription.
          const batch = await subscription.next(170, 0);
          seen.push(...batch.events);
          for (const [partition, position] of batch.positions) reached.set(partition, position);
          if (batch.events.length < 170 || seen.length >= part * 1_000 + 600) break;
        }
        await subscription.close();
      }
      seen.push(...(await readAll(engine, reached)));
      assertSameOrder(seen, all);
    },
  },
  {
    name: "NoAck: reading moves nothing for anybody else",
    async run(open) {
      const engine = await open();
      await appendAll(engine, requests("event", 20));
      deepStrictEqual(await readAll(engine), await readAll(engine));
    },
  },
  {
    name: "only the partitions asked for, each from behind its own position",
    async run(open) {
      const engine = await open();
      const receipts = await appendAll(engine, requests("event", 40));
      const eleventh = receipts.filter(({ partition }) => partition === 1)[4];
      const events = await readAll(
        engine,
        new Map([
          [1, eleventh?.position ?? 0],
          [3, 0],
        ]),
      );
      assertPositionsGrow(events);
      const expected = receipts.filter(
        ({ partition, position }) =>
          partition === 3 || (partition === 1 && position > (eleventh?.position ?? 0)),
      );
      deepStrictEqual(idsOf(events).sort(), expected.map(({ id }) => id).sort());
    },
  },
  {
    name: "a partition far behind catches up while the others are at their ends",
    async run(open) {
      const engine = await open();
      const old = await appendAll(engine, requests("old", 200));
      const ends = await engine.ends();
      const subscription = engine.subscribe(new Map([...ends, [2, 0]]));
      await appendAll(engine, requests("new", 40));
      const events = await take(subscription, 50 + 40);
      assertPositionsGrow(events);
      const expected = new Set(old.filter((one) => one.partition === 2).map(({ id }) => id));
      deepStrictEqual(
        new Set(idsOf(events.filter(({ event }) => event.id.startsWith("old")))),
        expected,
      );
    },
  },
  {
    name: "ConcurrentSubscribeMultipleTopics: 20 readers of one type each get just theirs",
    async run(open) {
      const engine = await open();
      const typed = Array.from({ length: 2_000 }, (_, at) =>
        request(`event-${at}`, at % 4, { type: `type.${at % 20}` }),
      );
      const readers = Array.from({ length: 20 }, (_, type) =>
        take(engine.subscribe(cursors(), { types: new Set([`type.${type}`]) }), 100),
      );
      await appendAll(engine, typed);
      for (const [type, events] of (await Promise.all(readers)).entries()) {
        ok(events.every(({ event }) => event.type === `type.${type}`));
        assertPositionsGrow(events);
      }
    },
  },
  {
    name: "Topic: positions pass over events of other types, and are told",
    async run(open) {
      const engine = await open();
      await appendOne(engine, request("wanted", 0, { type: "wanted" }));
      await appendAll(engine, requests("unwanted", 500));
      const subscription = engine.subscribe(cursors(), { types: new Set(["wanted"]) });
      const reached = new Map<number, number>();
      const ids: string[] = [];
      for (;;) {
        const batch = await subscription.next(10, 0);
        if (batch.events.length === 0 && batch.positions.size === 0) break;
        ids.push(...idsOf(batch.events));
        for (const [partition, position] of batch.positions) {
          ok(position > (reached.get(partition) ?? 0), "positions are told where they moved");
          reached.set(partition, position);
        }
      }
      deepStrictEqual(ids, ["wanted"]);
      deepStrictEqual(reached, new Map(await engine.ends()));
    },
  },
  {
    name: "positions told lie between the last event delivered and the end",
    async run(open) {
      const engine = await open();
      await appendAll(engine, requests("event", 300));
      const ends = await engine.ends();
      const subscription = engine.subscribe(cursors());
      for (let read = 0; read < 300; ) {
        const { events, positions } = await subscription.next(33, 0);
        read += events.length;
        for (const { partition, position } of events) {
          ok((positions.get(partition) ?? 0) >= position);
        }
        for (const [partition, position] of positions) ok(position <= (ends.get(partition) ?? 0));
      }
    },
  },
  {
    name: "large events come in batches that stay small in bytes, all of them",
    async run(open) {
      const engine = await open();
      const data = JSON.stringify("x".repeat(200_000));
      const all = Array.from({ length: 120 }, (_, at) => request(`large-${at}`, at % 4, { data }));
      await appendAll(engine, all, 30);
      const events = await readAll(engine);
      strictEqual(events.length, 120);
      assertPositionsGrow(events);
    },
  },
];
