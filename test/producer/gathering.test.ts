/** Calls share appends: those of one turn of the loop, and under load those of a short while. */
import { expect, it } from "vitest";
import { limits } from "../../src/lib/limits.ts";
import { createProducer } from "../../src/producer/producer.ts";
import { noTracing } from "../../src/tracing/no-tracing.ts";
import { handClock } from "../support/hand-clock.ts";
import { publications, ScriptedQueue, unsampled } from "./scripted-queue.ts";

it("lets all calls of one turn of the loop share an append", async () => {
  const queue = new ScriptedQueue();
  const producer = createProducer({ queue, clock: handClock(), tracing: noTracing });
  void producer.publish(publications("a", 1), unsampled);
  void producer.publish(publications("b", 1), unsampled);
  expect(queue.appends).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(queue.appends).toEqual([["a-0", "b-0"]]);
});

it("keeps appends apart while several calls share each of them", async () => {
  const queue = new ScriptedQueue();
  const clock = handClock();
  const defer = (task: () => void) => task();
  const producer = createProducer({ queue, clock, tracing: noTracing, gatherMs: 2, defer });
  const first = producer.publish(publications("a", 1), unsampled);
  const second = producer.publish(publications("b", 1), unsampled);
  const third = producer.publish(publications("c", 1), unsampled);
  queue.finish();
  await first;
  // The first was alone: the next begins at once.
  expect(queue.appends.at(-1)).toEqual(["b-0", "c-0"]);
  const last = producer.publish(publications("d", 1), unsampled);
  queue.finish();
  await Promise.all([second, third]);
  expect(queue.isRunning).toBe(false);
  clock.advance(2);
  expect(queue.appends.at(-1)).toEqual(["d-0"]);
  queue.finish();
  await last;
});

/** An event that comes while an append is under way that several share and that takes `tookMs`. */
async function behindAnAppend(tookMs: number, gatherShare: number) {
  const scripted = new ScriptedQueue();
  const queue = { append: scripted.append.bind(scripted), gatherShare };
  const clock = handClock();
  const defer = (task: () => void) => task();
  const producer = createProducer({ queue, clock, tracing: noTracing, gatherMs: 0, defer });
  const first = producer.publish(publications("a", 1), unsampled);
  const others = ["b", "c"].map((name) => producer.publish(publications(name, 1), unsampled));
  scripted.finish();
  await first;
  clock.advance(tookMs);
  const last = producer.publish(publications("d", 1), unsampled);
  scripted.finish();
  await Promise.all(others);
  return { scripted, clock, last };
}

it("waits for company as long as the queue says, by what the last append took", async () => {
  const { scripted, clock, last } = await behindAnAppend(20, 0.5);
  clock.advance(9);
  expect(scripted.isRunning).toBe(false);
  clock.advance(1);
  expect(scripted.appends.at(-1)).toEqual(["d-0"]);
  scripted.finish();
  await last;
});

it("waits for a moment only, however long the last append took", async () => {
  // As in an election.
  const { scripted, clock, last } = await behindAnAppend(3_000, 0.25);
  clock.advance(limits.appendGatherMaxMs);
  expect(scripted.appends.at(-1)).toEqual(["d-0"]);
  scripted.finish();
  await last;
});
