/**
 * Nothing accepted is lost, doubled or out of order while the servers behind the queue fail under
 * load: the leader killed, stopped and cut off from the others, a minority and a majority gone and
 * back, a rolling restart. Producers number what they send, key by key; a reader follows all the
 * while from the positions it was told, on a connection of its own. In the end all that was
 * acknowledged has been read, once and in order, and a reader from the beginning reads the same.
 *
 * The servers run in network namespaces where this user can make them, so that one can be cut off
 * without being told; elsewhere that fault is left out, and said so. The longest stall is printed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { check, violations } from "../../src/drill/checker.ts";
import { openNatsQueue } from "../../src/engines/nats/queue.ts";
import { isMillraceError } from "../../src/lib/errors.ts";
import type { QueuedEvent, QueueEngine, Receipt } from "../../src/queue/engine.ts";
import { type IsolatedHosts, isolatedHosts } from "../support/isolated-hosts.ts";
import { NatsCluster, type NatsServer, natsMissing } from "../support/nats-cluster.ts";

const missing = natsMissing();
const partitions = 8;
const producers = 8;
/** Events of one call. */
const perCall = 20;
const stream = "failover";

const allFromStart = () =>
  new Map(Array.from({ length: partitions }, (_, partition) => [partition, 0]));

/** What one producer has sent, and how long nobody was told "accepted". */
class Load {
  readonly published: { key: string; n: number; id: string | undefined }[] = [];
  readonly receipts: Receipt[] = [];
  readonly refusals: string[] = [];
  longestStallMs = 0;
  #lastMs = performance.now();
  #isOn = true;

  async produce(engine: QueueEngine, producer: number): Promise<void> {
    const key = `producer-${producer}`;
    const partition = producer % partitions;
    for (let n = 0; this.#isOn; ) {
      const numbers = Array.from({ length: perCall }, (_, at) => n + at);
      const requests = numbers.map((number) => ({
        partition,
        event: {
          ...{ id: `${key}-${number}`, source: "/test", type: "counted", key },
          ...{ time: "2026-01-01T00:00:00Z", data: String(number), attributes: {} },
        },
      }));
      try {
        const receipts = await engine.append(requests);
        this.#stored(receipts);
        for (const [at, { id }] of receipts.entries()) {
          this.published.push({ key, n: numbers[at] ?? 0, id });
        }
        n += perCall;
      } catch (error) {
        if (!isMillraceError(error)) throw error;
        // The same ids again, as whoever sends them to a gateway would.
        this.refusals.push(`${error.message} ${error.cause}`);
        await sleep(50);
      }
      await sleep(2);
    }
  }

  stop(): void {
    this.#isOn = false;
  }

  #stored(receipts: readonly Receipt[]): void {
    const nowMs = performance.now();
    this.longestStallMs = Math.max(this.longestStallMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.receipts.push(...receipts);
  }
}

/** Reads on from the positions it was told, through everything that fails. */
class Follower {
  readonly read: QueuedEvent[] = [];
  readonly #cursors = allFromStart();
  #isOn = true;

  async follow(engine: QueueEngine): Promise<void> {
    let subscription = engine.subscribe(this.#cursors);
    while (this.#isOn) {
      try {
        const { events, positions } = await subscription.next(1_000, 200);
        this.read.push(...events);
        for (const [partition, position] of positions) this.#cursors.set(partition, position);
      } catch (error) {
        if (!isMillraceError(error, "MR_QUEUE_UNAVAILABLE")) throw error;
        await subscription.close();
        await sleep(50);
        subscription = engine.subscribe(this.#cursors);
      }
    }
    await subscription.close();
  }

  stop(): void {
    this.#isOn = false;
  }
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = performance.now() + 60_000;
  while (performance.now() < endMs) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error(`waited in vain until ${what}`);
}

describe.skipIf(missing)(`three NATS servers that fail${missing ? ` (${missing})` : ""}`, () => {
  let hosts: IsolatedHosts | undefined;
  let cluster: NatsCluster;
  let engines: QueueEngine[];
  let stopAll = () => {};

  beforeAll(async () => {
    hosts = await isolatedHosts(3);
    cluster = await NatsCluster.start({
      servers: 3,
      ...(hosts === undefined ? {} : { hosts: hosts.addresses, wrap: hosts.wrap }),
    });
    const url = `${cluster.url}&stream=${stream}&bytes=500000000`;
    engines = [];
    for (let at = 0; at < 3; at++) engines.push(await openNatsQueue({ url, partitions }));
  });

  afterAll(async () => {
    stopAll();
    await Promise.all((engines ?? []).map((engine) => engine.close()));
    await cluster?.[Symbol.asyncDispose]();
    await hosts?.[Symbol.asyncDispose]();
  });

  it("lose, double and reorder nothing", { timeout: 300_000 }, async () => {
    const [first, second, third] = engines as [QueueEngine, QueueEngine, QueueEngine];
    const load = new Load();
    const follower = new Follower();
    let broken: unknown;
    stopAll = () => {
      load.stop();
      follower.stop();
    };
    const producing = Promise.all(
      Array.from({ length: producers }, (_, producer) =>
        load.produce(producer % 2 === 0 ? first : second, producer),
      ),
    );
    const running = Promise.all([producing, follower.follow(third)]).catch((error) => {
      broken = error;
      throw error;
    });
    running.catch(() => {});
    const faults: string[] = [];
    /** As many more calls are acknowledged, by whoever leads now. */
    const goesOn = async (what: string) => {
      const before = load.receipts.length;
      await until(`events are accepted after: ${what}`, () => {
        if (broken !== undefined) throw broken;
        return load.receipts.length > before + 200;
      }).catch((error) => {
        const servers = cluster.servers.map(({ name, isRunning, log }) => [name, isRunning, log]);
        const told = [...servers.flat(), ...load.refusals.slice(-producers), faults.join(", ")];
        throw new Error(told.join("\n"), { cause: error });
      });
    };
    const leader = async () => {
      let at: number | undefined;
      await until("the stream has a leader", async () => {
        at = await cluster.leaderOf(stream);
        return at !== undefined;
      });
      return cluster.servers[at ?? 0] ?? cluster.servers[0];
    };
    const fault = async (what: string, run: () => Promise<void>) => {
      await goesOn(`before: ${what}`);
      const startMs = performance.now();
      await run();
      await goesOn(what);
      await cluster.ready();
      // One fault at a time: a replica that still catches up would make two of the next one.
      await until("all replicas are current", () => cluster.isCurrent(stream));
      faults.push(`${what} ${((performance.now() - startMs) / 1_000).toFixed(1)} s`);
      if (process.env.PROGRESS) process.stderr.write(`${faults.at(-1)}\n`);
    };
    const another = async () => {
      const leading = await leader();
      return cluster.servers.find((server) => server !== leading);
    };

    for (let round = 0; round < 2; round++) {
      await fault("leader killed", async () => {
        const server = await leader();
        await server?.kill();
        await goesOn("the leader was killed");
        await server?.start();
      });
      await fault("leader stopped", async () => {
        const server = await leader();
        server?.pause();
        await goesOn("the leader was stopped");
        server?.resume();
      });
      if (hosts !== undefined) {
        await fault("leader cut off", async () => {
          const at = cluster.servers.indexOf((await leader()) as NatsServer);
          await hosts?.cut(at);
          await goesOn("the leader was cut off");
          await hosts?.heal(at);
        });
      }
      for (let again = 0; again < 2; again++) {
        await fault("minority killed", async () => {
          const server = await another();
          await server?.kill();
          await goesOn("a minority was lost");
          await server?.start();
        });
      }
      await fault("minority stopped", async () => {
        const server = await another();
        server?.pause();
        await goesOn("a minority was stopped");
        server?.resume();
      });
    }
    await fault("majority killed", async () => {
      const gone = cluster.servers.slice(0, 2);
      await Promise.all(gone.map((server) => server.kill()));
      // What was answered before the kill may still be counted just after it.
      await sleep(500);
      const before = load.receipts.length;
      await sleep(1_500);
      expect(load.receipts.length, "accepted without a quorum").toBe(before);
      await Promise.all(gone.map((server) => server.start()));
    });
    await fault("all killed", async () => {
      await Promise.all(cluster.servers.map((server) => server.kill()));
      await Promise.all(cluster.servers.map((server) => server.start()));
    });
    for (let round = 0; round < 2; round++) {
      for (const server of cluster.servers) {
        await fault(`restart of ${server.name}`, async () => {
          await server.stop();
          await server.start();
        });
      }
    }

    load.stop();
    await producing;
    const ends = async () => await first.ends();
    await until("the follower has read everything", async () => {
      if (broken !== undefined) throw broken;
      const reached = new Map<number, number>();
      for (const { partition, position } of follower.read) reached.set(partition, position);
      return [...(await ends())].every(([at, end]) => (reached.get(at) ?? 0) >= end);
    });
    follower.stop();
    await running;

    const effects = follower.read.map(({ event }) => ({ key: event.key, n: Number(event.data) }));
    const attempted = [...load.published];
    const accepted = new Set(attempted.map(({ key, n }) => `${key}-${n}`));
    for (const { key, n } of effects) {
      // Never answered, and there: the last call of a producer that was stopped.
      if (!accepted.has(`${key}-${n}`)) attempted.push({ key, n, id: undefined });
    }
    const verdict = check(attempted, effects);
    console.info(
      `NATS: ${faults.length} faults${hosts === undefined ? ", none cut off (no namespaces here)" : ""}, ` +
        `${verdict.accepted} accepted, ${verdict.effects} read, ${load.refusals.length} calls refused, ` +
        `longest stall ${(load.longestStallMs / 1_000).toFixed(1)} s; ${faults.join(", ")}`,
    );
    const lost = verdict.lost.slice(0, 3);
    const places = await Promise.all(lost.map((id) => first.find(id)));
    const where = places.flat().map(({ id, partition, position }) => [id, partition, position]);
    expect(violations(verdict), `what the queue knows of the lost: ${where}`).toEqual([]);
    expect(faults.length).toBeGreaterThanOrEqual(hosts === undefined ? 18 : 20);

    const read = new Map(follower.read.map((one) => [one.event.id, one]));
    for (const { id, partition, position } of load.receipts) {
      expect(read.get(id)).toMatchObject({ partition, position });
    }
    const again = first.subscribe(allFromStart());
    const reread: QueuedEvent[] = [];
    while (reread.length < follower.read.length) {
      const batch = await again.next(5_000, 1_000);
      expect(batch.positions.size).toBeGreaterThan(0);
      reread.push(...batch.events);
    }
    const byPlace = (one: QueuedEvent, other: QueuedEvent) => one.position - other.position;
    expect(reread.sort(byPlace)).toEqual([...follower.read].sort(byPlace));
  });
});
