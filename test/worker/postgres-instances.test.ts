/**
 * What holds for instances in processes of their own that die or sleep, on files, holds with queue
 * and database on a PostgreSQL server: the very same tests. And an owner that sleeps where on files
 * it would hold up everybody: within its transaction.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { Instances, patience, usePostgres } from "./instances.ts";

describePostgres("instances on PostgreSQL", async () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  usePostgres(() => server.url);
  describe("deaths", async () => void (await import("./crash-points.test.ts")));
  describe("sleep", async () => void (await import("./fence.test.ts")));

  it("lets nothing of a transaction land whose owner slept within it", async () => {
    await using instances = await Instances.open();
    const trap = { point: "before-commit", visit: 1, signal: "SIGSTOP" } as const;
    const one = instances.start({ instance: "one", trap });
    await instances.publish(24);
    await vi.waitUntil(() => one.at !== undefined, patience);
    const two = instances.start({ instance: "two" });
    // The server ends the session of a process that is silent within its transaction.
    await instances.drained();
    one.signal("SIGCONT");
    await vi.waitUntil(async () => (await instances.owned()).size === 2, patience);
    await Promise.all([one.stop(), two.stop()]);
    expect(await instances.violations()).toEqual([]);
    const effects = await instances.effects();
    expect(effects.filter(({ instance, owner }) => instance !== owner)).toEqual([]);
    expect(new Set(effects.map(({ instance }) => instance))).toEqual(new Set(["two"]));
  });
});
