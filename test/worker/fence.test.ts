/**
 * An owner that was stopped beyond its lease commits nothing stale. Two processes share a worker's
 * partitions on one queue and one database. In turn, one of them is stopped with SIGSTOP in the
 * middle of its pass; when the other has taken over all its partitions, it goes on with SIGCONT,
 * and its commit must meet the fence, every time. In half of the rounds the other one has applied
 * the events by then, in the other half it has not come to them: there nothing but the fence keeps
 * the stale owner from being first.
 *
 * A process is stopped where it has read its batch and not begun the transaction (before-prepare).
 * Inside the transaction it would hold SQLite's only write lock, so nobody could take over. After
 * its commit (after-commit) there is nothing left to fence, but an outbox that two relay.
 */
import { expect, it, vi } from "vitest";
import type { PassPoint } from "../../src/worker/pass-points.ts";
import { type InstanceProcess, Instances, isOnPostgres, patience } from "./instances.ts";

/** Short, since each round waits until a lease has run out; a server's answers take their time. */
const leaseTimes = isOnPostgres()
  ? { leaseMs: 400, heartbeatMs: 100 }
  : { leaseMs: 100, heartbeatMs: 25 };
const eventsPerWave = 8;
const rounds = isOnPostgres() ? 12 : 100;

interface Pair {
  readonly instances: Instances;
  readonly one: InstanceProcess;
  readonly two: InstanceProcess;
}

const start = (instances: Instances): Pair => ({
  instances,
  one: instances.start({ instance: "one", leaseTimes }),
  two: instances.start({ instance: "two", leaseTimes }),
});

/** Stops the victim at the point: publishes until it comes there. */
async function stopAt(point: PassPoint, victim: InstanceProcess, instances: Instances) {
  await victim.order({ trap: { point, visit: 1, signal: "SIGSTOP" } });
  while (victim.at === undefined) {
    await instances.publish(eventsPerWave);
    const isDone = async () => victim.at !== undefined || (await instances.isDrained());
    await vi.waitUntil(isDone, patience);
  }
}

const hasAll = async (instances: Instances, name: string): Promise<boolean> =>
  (await instances.owned()).get(name)?.length === 4;

async function haveBoth(instances: Instances): Promise<void> {
  await vi.waitUntil(async () => (await instances.owned()).size === 2, patience);
}

/** Everything is settled, by the rules and by owners only. */
async function settle({ instances, one, two }: Pair): Promise<void> {
  await instances.drained();
  await Promise.all([one.stop(), two.stop()]);
  expect(await instances.isDrained()).toBe(true);
  expect(await instances.violations()).toEqual([]);
  const effects = await instances.effects();
  expect(effects.filter(({ instance, owner }) => instance !== owner)).toEqual([]);
}

it(`fences an owner that slept beyond its lease, ${rounds} times`, async () => {
  await using instances = await Instances.open();
  const { one, two } = start(instances);
  let overtaken = 0;
  for (let round = 0; round < rounds; round++) {
    const [victim, heir, name] = round % 2 === 0 ? [one, two, "two"] : [two, one, "one"];
    await haveBoth(instances);
    await stopAt("before-prepare", victim, instances);
    const before = victim.fenced.length;
    const isHeld = round % 4 >= 2;
    const owned = [...(await instances.owned())].flatMap(([owner, partitions]) =>
      owner === name ? [] : partitions,
    );
    if (isHeld) await heir.order({ hold: owned });
    await vi.waitUntil(() => hasAll(instances, name), patience);
    if (!isHeld) await instances.drained();
    else if (!(await instances.isDrained())) overtaken += 1;
    expect(victim.fenced).toHaveLength(before);
    victim.signal("SIGCONT");
    await vi.waitFor(() => {
      const instead = `it said: ${[...victim.warned, ...victim.fatal].join("; ")}`;
      expect(victim.fenced.length, instead).toBeGreaterThan(before);
    }, patience);
    expect(victim.fenced[before]).toContain("rolled back");
    if (isHeld) await heir.order({});
    await instances.drained();
  }
  // The heir was kept from the events long enough for the stale owner to be first.
  expect(overtaken).toBeGreaterThan(rounds / 10);
  await settle({ instances, one, two });
});

it("relays what an owner emitted once, where its heir relays it as well", async () => {
  await using instances = await Instances.open();
  const { one, two } = start(instances);
  for (let round = 0; round < rounds / 10; round++) {
    const [victim, name] = round % 2 === 0 ? [one, "two"] : [two, "one"];
    await haveBoth(instances);
    await stopAt("after-commit", victim, instances);
    await vi.waitUntil(() => hasAll(instances, name), patience);
    await instances.drained();
    victim.signal("SIGCONT");
    await haveBoth(instances);
  }
  await settle({ instances, one, two });
});
