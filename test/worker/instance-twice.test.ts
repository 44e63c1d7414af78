/**
 * Two processes under one name, as on two hosts that have the same: the one that comes later is
 * refused, however often it tries, and the first goes on undisturbed. One that lost its name while
 * it stood still says so and ends. A name whose owner died is free once its lease has run out, and
 * at once for the next process of the same supervisor.
 */
import { expect, it, vi } from "vitest";
import { Bench, type Instance, store, wait } from "./bench.ts";

const leaseTimes = { leaseMs: 300, heartbeatMs: 50 };

async function epochs({ database }: Instance): Promise<unknown[]> {
  return await database.read("select partition, owner, epoch from millrace_positions order by 1");
}

const runs = async ({ database }: Instance) =>
  (await database.read<{ run: string }>("select run from millrace_instances")).map(
    ({ run }) => run,
  );

it("refuses the second, and leaves the first alone", async () => {
  await using bench = await Bench.open();
  const one = await bench.start([store], { run: "here", leaseTimes });
  await bench.publish("a", 1);
  await vi.waitFor(async () => expect(await bench.effects(one)).toHaveLength(1), wait);
  const before = await epochs(one);
  const another = bench.start([store], { run: "elsewhere", leaseTimes });
  await expect(another).rejects.toMatchObject({
    code: "MR_INSTANCE_TWICE",
    message: expect.stringContaining('"counter 1"'),
  });
  await bench.publish("a", 2);
  await vi.waitFor(async () => expect(await bench.effects(one)).toHaveLength(2), wait);
  expect(await epochs(one)).toEqual(before);
  expect(one.fatal).toEqual([]);
});

it("ends one whose name was taken while it stood still", async () => {
  await using bench = await Bench.open();
  const one = await bench.start([store], { run: "here", leaseTimes });
  await bench.publish("a", 1);
  await vi.waitFor(async () => expect(await bench.effects(one)).toHaveLength(1), wait);
  // As somebody else does once the lease of the first has run out.
  const { nowMs } = one.database.dialect;
  await one.database.transaction((tx) =>
    tx.run(`update millrace_instances set run = 'elsewhere', seen_until = ${nowMs} + 300`),
  );
  await vi.waitFor(() => expect(one.fatal).toHaveLength(1), wait);
  expect(one.fatal[0]).toMatchObject({ code: "MR_INSTANCE_TWICE" });
  await one.worker.stop();
  // The name stays with the one that has it.
  expect(await runs(one)).toEqual(["elsewhere"]);
});

it("waits until the lease of a dead one has run out, unless it is its own former life", async () => {
  await using bench = await Bench.open();
  const one = await bench.start([store], { run: "here", leaseTimes });
  await one.worker.stop();
  const { nowMs } = one.database.dialect;
  const die = (aliveMs: number) =>
    one.database.transaction((tx) =>
      tx.run(`insert into millrace_instances (instance, seen_until, run)
              values ('counter 1', ${nowMs} + ${aliveMs}, 'here')`),
    );
  await die(300);
  const two = await bench.start([store], { run: "elsewhere", leaseTimes });
  expect(await runs(two)).toEqual(["elsewhere"]);
  await two.worker.stop();
  // A lease that outlives every patience of this test: only the same run gets past it.
  await die(600_000);
  const three = await bench.start([store], {
    run: "here",
    leaseTimes: { leaseMs: 1_000_000, heartbeatMs: 50 },
  });
  expect(await runs(three)).toEqual(["here"]);
});
