/**
 * A worker that dies at any of its named points leaves nothing behind that its next life does not
 * put in order. At each point a process on a real queue and a real database kills itself with
 * SIGKILL, several lives in a row, with new events in each; some of them fail and are parked, some
 * are rejected, some emit. The last life is left alone. Then: nothing lost, nothing doubled,
 * neither effects nor follow-ups, and order kept per key. The points come from the source.
 */
import { expect, it, vi } from "vitest";
import { type PassPoint, passPoints } from "../../src/worker/pass-points.ts";
import { Instances, isOnPostgres, patience } from "./instances.ts";

const eventsPerLife = 24;
/** A point may come up only after a death, so it takes more lives than deaths. */
const deathsWanted = isOnPostgres() ? 1 : 2;
const livesMax = 4;

/**
 * One life that ends at the point, or, where it never comes there, idle when all is done: what a
 * point is about may only come up after a death. Tells whether it died at the point.
 */
async function live(instances: Instances, point: PassPoint, visit: number): Promise<boolean> {
  await instances.publish(eventsPerLife);
  const life = instances.start({ instance: "one", trap: { point, visit, signal: "SIGKILL" } });
  await vi.waitUntil(
    async () => life.end !== undefined || life.at !== undefined || (await instances.isDrained()),
    patience,
  );
  if (life.at === undefined) life.signal("SIGKILL");
  await life.exited;
  expect(life.end).toBe("SIGKILL");
  return life.at === point;
}

async function settle(instances: Instances): Promise<void> {
  const last = instances.start({ instance: "one" });
  await instances.drained();
  await last.stop();
  expect(await instances.isDrained()).toBe(true);
  expect(await instances.violations()).toEqual([]);
}

/** A server makes each life longer: there one after another, so that none waits for others. */
const them = isOnPostgres() ? it : it.concurrent;

them.each(passPoints)("survives deaths in a row at %s", async (point) => {
  await using instances = await Instances.open();
  let deaths = 0;
  for (let life = 0; life < livesMax && deaths < deathsWanted; life++) {
    if (await live(instances, point, 1)) deaths += 1;
  }
  expect(deaths).toBe(deathsWanted);
  await settle(instances);
});

it.skipIf(isOnPostgres())(
  "survives deaths further on, at each of the points one after another",
  async () => {
    await using instances = await Instances.open();
    let deaths = 0;
    for (const point of passPoints) {
      if (await live(instances, point, 2)) deaths += 1;
    }
    // All but those that come up once in a life.
    expect(deaths).toBeGreaterThan(passPoints.length / 2);
    await settle(instances);
  },
);
