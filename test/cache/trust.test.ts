/**
 * The terms on which a shared store is believed, step by step: who reads without looking believes
 * for less time than giving a store up takes, nobody begins to believe in one that is being given
 * up, and who commits goes by what its own transaction sees.
 */
import { expect, it } from "vitest";
import type { StoreRecord, StoreState } from "../../src/cache/store-record.ts";
import { type LosableEngine, Trust } from "../../src/cache/trust.ts";
import type { Transaction } from "../../src/database/engine.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { limits } from "../../src/lib/limits.ts";
import { handClock } from "../support/hand-clock.ts";

const tx = {} as Transaction;
const settle = () => new Promise((resolve) => setImmediate(resolve));

function setting() {
  const clock = handClock();
  const present: { state: StoreState; isReadable: boolean } = {
    state: { generation: 1, state: "open", store: "one" },
    isReadable: true,
  };
  const record: StoreRecord = {
    read: async () => (present.isReadable ? present.state : await new Promise<never>(() => {})),
    readIn: async () => present.state,
    async move(from, to) {
      if (present.state.generation === from) present.state = { generation: from + 1, ...to };
    },
  };
  const used: string[] = [];
  const engine: LosableEngine = {
    ...createMemoryCache({ bytesMax: 1_000, clock }),
    shared: true,
    begin: async () => "two",
    use: (store) => void used.push(store ?? "none"),
  };
  return { clock, present, used, trust: () => new Trust(engine, record, clock) };
}

it("lets nobody commit past a store that somebody may believe in without looking", async () => {
  const { clock, present, trust } = setting();
  const [reader, writer] = [trust(), trust()];
  await writer.mayRead();
  clock.advance(500);
  expect(await reader.mayRead()).toBe(true);
  writer.doubt();
  await settle();
  expect(present.state.state).toBe("closing");
  present.isReadable = false;
  let isPast = false;
  for (let ms = 0; !isPast && ms < 10_000; ms += 50) {
    const believes = await Promise.race([reader.mayRead(), settle()]);
    isPast = await writer.mustBlock(tx).then(
      (must) => !must,
      () => false,
    );
    expect(believes && isPast, `${ms} ms later`).not.toBe(true);
    if (ms < limits.storeTrustMs) expect(believes).toBe(true);
    clock.advance(50);
    await settle();
  }
  expect(isPast).toBe(true);
});

it("lets nobody begin to believe in a store that is being given up", async () => {
  const { present, trust } = setting();
  present.state = { generation: 2, state: "closing", store: "one" };
  expect(await trust().mayRead()).toBe(false);
});

it("blocks in the store that the transaction sees, whatever was known before", async () => {
  const { present, trust, used } = setting();
  const writer = trust();
  expect(await writer.mustBlock(tx)).toBe(true);
  present.state = { generation: 4, state: "open", store: "four" };
  expect(await writer.mustBlock(tx)).toBe(true);
  present.state = { generation: 5, state: "closing", store: "four" };
  await expect(writer.mustBlock(tx)).rejects.toMatchObject({ code: "MR_CACHE_UNAVAILABLE" });
  present.state = { generation: 6, state: "closed", store: "four" };
  expect(await writer.mustBlock(tx)).toBe(false);
  expect(used).toEqual(["one", "four", "none", "none"]);
});

it("looks again where only the wall clock has gone on: the machine may have slept", async () => {
  const { clock, present, trust } = setting();
  const reader = trust();
  let sleptMs = 0;
  const now = clock.now;
  clock.now = () => now() + sleptMs;
  expect(await reader.mayRead()).toBe(true);
  present.state = { generation: 2, state: "closed", store: "one" };
  expect(await reader.mayRead()).toBe(true);
  sleptMs = 60_000;
  expect(await reader.mayRead()).toBe(false);
});
