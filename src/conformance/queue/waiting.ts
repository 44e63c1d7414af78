import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Scenario } from "./scenario.ts";
import { appendOne, cursors, idsOf, request, take } from "./support.ts";

/** Longer than any test may last: a wait that ends was ended by what the scenario does. */
const foreverMs = 600_000;

/** How a waiting reader wakes, and how it is let go. */
export const waiting: readonly Scenario[] = [
  {
    name: "a waiting reader wakes when an event is appended",
    async run(open) {
      const engine = await open();
      const subscription = engine.subscribe(cursors());
      for (let at = 0; at < 20; at++) {
        const waiter = subscription.next(10, foreverMs);
        await appendOne(engine, request(`event-${at}`, at % 4));
        deepStrictEqual(idsOf((await waiter).events), [`event-${at}`]);
      }
    },
  },
  {
    name: "a waiting reader wakes when another engine on the same data appends",
    needs: "sharing",
    async run(open) {
      const [reader, writer] = [await open(), await open()];
      const subscription = reader.subscribe(cursors());
      for (let at = 0; at < 20; at++) {
        const waiter = subscription.next(10, foreverMs);
        await appendOne(writer, request(`event-${at}`, at % 4));
        deepStrictEqual(idsOf((await waiter).events), [`event-${at}`]);
      }
    },
  },
  {
    name: "a wait without an event ends with an empty batch",
    async run(open) {
      const engine = await open();
      const batch = await engine.subscribe(cursors()).next(10, 5);
      deepStrictEqual(batch, { events: [], positions: new Map() });
    },
  },
  {
    name: "SubscribeCtx: an abort ends the wait with an empty batch, and the subscription goes on",
    async run(open) {
      const engine = await open();
      const subscription = engine.subscribe(cursors());
      const stop = new AbortController();
      const waiter = subscription.next(10, foreverMs, stop.signal);
      stop.abort();
      strictEqual((await waiter).events.length, 0);
      strictEqual((await subscription.next(10, foreverMs, stop.signal)).events.length, 0);
      await appendOne(engine, request("later"));
      deepStrictEqual(idsOf(await take(subscription, 1)), ["later"]);
    },
  },
  {
    name: "closing a subscription ends its wait, and only its own",
    async run(open) {
      const engine = await open();
      const [closing, staying] = [engine.subscribe(cursors()), engine.subscribe(cursors())];
      const waiters = [closing.next(10, foreverMs), staying.next(10, foreverMs)] as const;
      await closing.close();
      await closing.close();
      strictEqual((await waiters[0]).events.length, 0);
      await appendOne(engine, request("event"));
      deepStrictEqual(idsOf((await waiters[1]).events), ["event"]);
      strictEqual((await closing.next(10, 0)).events.length, 0);
    },
  },
  {
    name: "closing the engine ends every wait",
    async run(open) {
      const engine = await open();
      const waiters = Array.from({ length: 5 }, () =>
        engine.subscribe(cursors()).next(10, foreverMs),
      );
      await engine.close();
      for (const { events } of await Promise.all(waiters)) deepStrictEqual(events, []);
    },
  },
];
