/**
 * Recurring events: once a tick however many instances run, with the tick's time, what becomes of
 * ticks that were missed, and which schedules are refused. On real engines in one process.
 */
import { defineSystem, defineWorker, on, type ScheduleOptions, schedule } from "millrace";
import { expect, it, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { Bench, Counted, effectsDatabase, type Instance, store, wait } from "./bench.ts";

const everySecond = (options: Partial<ScheduleOptions<typeof Counted>> = {}) =>
  schedule("beat", {
    cron: "* * * * * *",
    event: Counted,
    data: (tick) => ({ key: "beat", n: tick.getTime() / 1_000 }),
    ...options,
  });

const numbers = async (bench: Bench, instance: Instance): Promise<number[]> =>
  (await bench.effects(instance)).map(({ n }) => n);

/** Makes it look as if nobody had been there for a while. */
async function turnBack({ database }: Instance, ms: number): Promise<void> {
  const lastTick = Math.floor((systemClock.now() - ms) / 1_000) * 1_000;
  await database.transaction((tx) =>
    tx.run("update millrace_schedules set last_tick = $1", [lastTick]),
  );
}

it("ticks once, with the tick's time, however many instances run", async () => {
  await using bench = await Bench.open();
  const schedules = [everySecond()];
  const first = await bench.start([store], { instance: "counter 1", schedules });
  const second = await bench.start([store], { instance: "counter 2", schedules });
  await vi.waitFor(async () => expect(await bench.effects(first)).toHaveLength(2), wait);
  await first.worker.stop();
  await vi.waitFor(async () => {
    expect((await bench.effects(second)).length).toBeGreaterThanOrEqual(4);
  }, wait);
  const ticks = await numbers(bench, second);
  expect(ticks).toEqual(ticks.map((_, index) => (ticks[0] ?? 0) + index));
  const effects = await bench.effects(second);
  const [found] = await bench.queue.find(effects[0]?.id ?? "");
  expect(found?.event).toMatchObject({
    source: "/bench/counter",
    time: new Date((ticks[0] ?? 0) * 1_000).toISOString(),
  });
});

it.each([
  ["once", (ages: readonly number[]) => expect(ages).toHaveLength(1)],
  ["all", (ages: readonly number[]) => expect(ages.length).toBeGreaterThanOrEqual(120)],
  ["skip", (ages: readonly number[]) => expect(Math.max(...ages)).toBeLessThan(70_000)],
] as const)("makes of two minutes of missed ticks what `%s` says", async (missed, holds) => {
  await using bench = await Bench.open();
  const schedules = [everySecond({ missed })];
  const first = await bench.start([store], { schedules });
  await vi.waitFor(async () => {
    expect(await first.database.read("select 1 as one from millrace_schedules")).toHaveLength(1);
  }, wait);
  await first.worker.stop();
  await turnBack(first, 122_000);
  const restartedAt = systemClock.now();
  const isLate = ({ n }: { n: number }) => n * 1_000 <= restartedAt;
  const before = (await bench.effects(first)).length;
  const second = await bench.start([store], { schedules });
  await vi.waitFor(async () => {
    expect((await bench.effects(second)).slice(before).some((effect) => !isLate(effect))).toBe(
      true,
    );
  }, wait);
  const late = (await bench.effects(second)).slice(before).filter(isLate);
  holds(late.map(({ n }) => restartedAt - n * 1_000));
});

it("begins anew with a schedule that was gone, without what it would have missed", async () => {
  await using bench = await Bench.open();
  const yearly = schedule("yearly", {
    cron: "0 0 1 1 *",
    event: Counted,
    data: { key: "year", n: 1 },
    missed: "all",
  });
  const rows = async ({ database }: Instance) =>
    await database.read<{ name: string; last_tick: number; next_tick: number | null }>(
      "select name, last_tick, next_tick from millrace_schedules",
    );
  const first = await bench.start([store], { schedules: [yearly] });
  await vi.waitFor(async () => expect(await rows(first)).toHaveLength(1), wait);
  await first.worker.stop();
  await turnBack(first, 3 * 366 * 86_400_000);
  const other = everySecond();
  const second = await bench.start([store], { schedules: [other] });
  await vi.waitFor(async () => {
    expect((await rows(second)).find(({ name }) => name === "yearly")?.next_tick).toBeNull();
  }, wait);
  await second.worker.stop();
  const third = await bench.start([store], { schedules: [yearly] });
  await vi.waitFor(async () => {
    const [row] = (await rows(third)).filter(({ name }) => name === "yearly");
    expect(row?.last_tick).toBeGreaterThan(systemClock.now() - 60_000);
    expect(row?.next_tick).toBeGreaterThan(systemClock.now());
  }, wait);
  expect((await bench.effects(third)).filter(({ key }) => key === "year")).toEqual([]);
});

it("says so when it cannot make its event, and makes it once it can", async () => {
  await using bench = await Bench.open();
  const errors: unknown[] = [];
  const log = { ...silentLog, error: (what: unknown) => errors.push(what) };
  const broken = everySecond({
    data: () => {
      throw new Error("no data today");
    },
  });
  const instance = await bench.start([store], { schedules: [broken], log });
  await vi.waitFor(() => expect(errors).toMatchObject([{ schedule: "beat" }]), wait);
  const receipt = await bench.publish("a", 1);
  expect(await instance.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
});

it.each([
  ["an expression that never fires", { cron: "0 0 30 2 *" }, /never ticks: no time fits "0 0 30 2/],
  ["an expression that is none", { cron: "every day" }, /cannot be read/],
  [
    "a time zone that there is not",
    { timeZone: "Mars/Olympus" },
    /"Mars\/Olympus", which there is/,
  ],
  ["data that do not fit", { data: { key: "a", n: "one" } as never }, /#\/n/],
  ["a policy that there is not", { missed: "some" as never }, /`missed` "some"/],
])("refuses %s, and says where it stands", (_what, options, message) => {
  const define = () =>
    defineSystem("bench", {
      accepts: [],
      workers: [
        defineWorker("counter", effectsDatabase, {
          handlers: [on(Counted, () => {})],
          schedules: [everySecond(options)],
        }),
      ],
    });
  expect(define).toThrow(message);
  expect(define).toThrow(/schedules\.test\.ts:\d+/);
});

it("refuses two schedules of one name", () => {
  const define = () =>
    defineSystem("bench", {
      accepts: [],
      workers: [
        defineWorker("counter", effectsDatabase, {
          handlers: [store],
          schedules: [everySecond(), everySecond()],
        }),
      ],
    });
  expect(define).toThrow(/two schedules "beat"/);
});
