import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { Receipt } from "../../queue/engine.ts";
import { assertRejects } from "../assert-rejects.ts";
import type { Scenario } from "./scenario.ts";
import {
  appendAll,
  appendOne,
  assertPositionsGrow,
  cursors,
  idsByPartition,
  idsOf,
  readAll,
  record,
  request,
  requests,
} from "./support.ts";

/** What a receipt means. */
export const appending: readonly Scenario[] = [
  {
    name: "PublishSubscribe: every field of an event comes back as it was",
    async run(open) {
      const engine = await open();
      const sent = [
        record("plain"),
        record("unusual", {
          source: 'urn:"quoted" \\ and \u0001 one',
          key: "ключ 🔑",
          data: JSON.stringify({ text: "line\nbreak 😀 \u2028", list: [1, null, true] }),
          time: "2026-02-28T23:59:60.123456+01:00",
        }),
        record("attributed", {
          data: "null",
          attributes: {
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            subject: "a subject",
            cause: "plain",
            depth: 3,
            extensions: { one: 1, yes: true, text: "té" },
          },
        }),
        record("large", { data: JSON.stringify("x".repeat(300_000)) }),
      ];
      const receipts = await engine.append(sent.map((event, at) => ({ partition: at, event })));
      const received = await readAll(engine);
      deepStrictEqual(
        received.map(({ event }) => event),
        sent,
      );
      deepStrictEqual(
        received.map(({ partition, position }) => ({ partition, position })),
        receipts.map(({ partition, position }) => ({ partition, position })),
      );
      ok(received.every(({ acceptedAt }) => Number.isInteger(acceptedAt) && acceptedAt > 0));
    },
  },
  {
    name: "an append of nothing is an ordinary call",
    async run(open) {
      const engine = await open();
      deepStrictEqual(await engine.append([]), []);
    },
  },
  {
    name: "receipts stand in the order of the call and name the events",
    async run(open) {
      const engine = await open();
      const all = requests("event", 40);
      const receipts = await engine.append(all);
      deepStrictEqual(
        receipts.map(({ id, partition, duplicate }) => ({ id, partition, duplicate })),
        all.map(({ event, partition }) => ({ id: event.id, partition, duplicate: false })),
      );
      assertPositionsGrow(await readAll(engine));
    },
  },
  {
    name: "PublishSubscribeInOrder: concurrent calls keep the order inside each call, whole",
    async run(open) {
      const engine = await open();
      const calls = Array.from({ length: 50 }, (_, call) => requests(`call-${call}`, 20));
      await Promise.all(calls.map((call) => engine.append(call)));
      const lines = idsByPartition(await readAll(engine));
      for (const [partition, line] of lines.entries()) {
        for (const call of calls) {
          const expected = call.filter((one) => one.partition === partition);
          const first = line.indexOf(expected[0]?.event.id ?? "");
          deepStrictEqual(
            line.slice(first, first + expected.length),
            expected.map(({ event }) => event.id),
          );
        }
      }
    },
  },
  {
    name: "an id seen before gives the first receipt, marked, and is not stored again",
    async run(open) {
      const engine = await open();
      const first = await appendOne(engine, request("same", 1));
      const again = await appendOne(engine, request("same", 1, { data: '"other"' }));
      deepStrictEqual(again, { ...first, duplicate: true });
      // Another partition: the first receipt tells where the event really is.
      const elsewhere = await appendOne(engine, request("same", 2));
      deepStrictEqual(elsewhere, { ...first, duplicate: true });
      const events = await readAll(engine);
      deepStrictEqual(
        events.map(({ event }) => event),
        [record("same")],
      );
    },
  },
  {
    name: "the same id twice in one call is stored once",
    async run(open) {
      const engine = await open();
      const all = [request("a"), request("b"), request("a"), request("c")];
      const receipts = await engine.append(all);
      deepStrictEqual(
        receipts.map(({ duplicate }) => duplicate),
        [false, false, true, false],
      );
      strictEqual(receipts[2]?.position, receipts[0]?.position);
      deepStrictEqual(idsOf(await readAll(engine)), ["a", "b", "c"]);
    },
  },
  {
    name: "duplicates anywhere in a large call leave the others as they are",
    async run(open) {
      const engine = await open();
      const all = requests("event", 100);
      await engine.append(all.filter((_, at) => at % 7 === 3));
      const receipts = await engine.append(all);
      deepStrictEqual(
        receipts.map(({ duplicate }) => duplicate),
        all.map((_, at) => at % 7 === 3),
      );
      const events = await readAll(engine);
      deepStrictEqual(idsOf(events).sort(), all.map(({ event }) => event.id).sort());
      const places = new Map(events.map(({ event, position }) => [event.id, position]));
      for (const { id, position } of receipts) strictEqual(position, places.get(id));
    },
  },
  {
    name: "the same id concurrently is stored once, and all get its place",
    async run(open) {
      const engine = await open();
      const receipts = await Promise.all(
        Array.from({ length: 20 }, () => appendOne(engine, request("same", 3))),
      );
      strictEqual(receipts.filter(({ duplicate }) => !duplicate).length, 1);
      strictEqual(new Set(receipts.map(({ position }) => position)).size, 1);
      strictEqual((await readAll(engine)).length, 1);
    },
  },
  {
    name: "the same id of another source is another event",
    async run(open) {
      const engine = await open();
      const [one, two] = await engine.append([
        request("same", 0, { source: "/one" }),
        request("same", 0, { source: "/two" }),
      ]);
      strictEqual(two?.duplicate, false);
      notStrictEqual(one?.position, two?.position);
      strictEqual((await readAll(engine)).length, 2);
    },
  },
  {
    name: "the fingerprint of the first append comes back on duplicates",
    async run(open) {
      const engine = await open();
      const first = await appendOne(engine, { ...request("same"), fingerprint: "print-1" });
      strictEqual(first.fingerprint, undefined);
      const again = await appendOne(engine, { ...request("same"), fingerprint: "print-2" });
      strictEqual(again.fingerprint, "print-1");
      await appendOne(engine, request("bare"));
      const bare = await appendOne(engine, { ...request("bare"), fingerprint: "print-3" });
      strictEqual("fingerprint" in bare, false);
    },
  },
  {
    name: "ConcurrentClose: what was acknowledged around a close is there, whole calls of it",
    needs: "restart",
    async run(open) {
      const engine = await open();
      const outcomes = Array.from({ length: 200 }, (_, call) => {
        const all = Array.from({ length: 50 }, (_, at) => request(`${call}-${at}`, call % 4));
        return engine.append(all).catch(() => undefined);
      });
      await Promise.all([engine.close(), engine.close(), engine.close()]);
      const acknowledged = (await Promise.all(outcomes)).filter(
        (receipts): receipts is Receipt[] => receipts !== undefined,
      );
      await assertRejects(engine.append([request("late")]), "MR_QUEUE_UNAVAILABLE");
      const stored = new Set(idsOf(await readAll(await open())));
      for (const { id } of acknowledged.flat()) ok(stored.has(id), `${id} was acknowledged`);
      // One call, one partition: all of it or nothing.
      strictEqual(stored.size % 50, 0);
    },
  },
  {
    name: "Reconnect: 10,000 events of 100 producers over two restarts, in order, none lost",
    needs: "restart",
    async run(open) {
      let engine = await open();
      const acknowledged: string[] = [];
      for (let round = 0; round < 10; round++) {
        if (round === 3 || round === 5) {
          await engine.close();
          engine = await open();
        }
        const calls = Array.from({ length: 100 }, (_, producer) => {
          const all = Array.from({ length: 10 }, (_, at) =>
            request(`${producer}-${round}-${at}`, producer % 4, { key: String(producer) }),
          );
          return engine.append(all);
        });
        acknowledged.push(...(await Promise.all(calls)).flat().map(({ id }) => id));
      }
      const events = await readAll(engine);
      deepStrictEqual(idsOf(events).sort(), acknowledged.sort());
      assertPositionsGrow(events);
      const lines = Map.groupBy(events, ({ event }) => event.key);
      for (const [producer, line] of lines) {
        const expected = Array.from(
          { length: 100 },
          (_, at) => `${producer}-${Math.floor(at / 10)}-${at % 10}`,
        );
        deepStrictEqual(idsOf(line), expected);
      }
    },
  },
  {
    name: "after a restart the same id gives its first receipt, and positions go on",
    needs: "restart",
    async run(open) {
      const before = await open();
      const first = await appendOne(before, { ...request("same", 2), fingerprint: "print" });
      await before.close();
      const engine = await open();
      const again = await appendOne(engine, request("same", 2));
      deepStrictEqual(again, { ...first, duplicate: true, fingerprint: "print" });
      const next = await appendOne(engine, request("next", 2));
      ok(next.position > first.position);
      deepStrictEqual(idsOf(await readAll(engine, cursors({ 2: first.position }))), ["next"]);
    },
  },
  {
    name: "several writers at once: one order for all readers, one event for an id",
    needs: "sharing",
    async run(open) {
      const engines = [await open(), await open(), await open()];
      await Promise.all(
        engines.map(async (engine, at) => {
          await appendAll(engine, requests(`writer-${at}`, 500), 50);
          await appendAll(engine, requests("shared", 100), 10);
        }),
      );
      const [first = [], ...others] = await Promise.all(engines.map((engine) => readAll(engine)));
      strictEqual(first.length, 1_600);
      assertPositionsGrow(first);
      for (const other of others) deepStrictEqual(other, first);
    },
  },
];
