/**
 * A server that leads the stream and is cut off from the others believes for some seconds that it
 * still does, and answers its clients from what it had when it was cut. Who asks it for the queue's
 * ends is then told that they are not known, and never ends that lie before what was accepted
 * elsewhere meanwhile: a worker would take them for a queue that has lost its tail.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { EngineServers } from "../../src/drill/servers/engine-servers.ts";
import { startNats } from "../../src/drill/servers/nats.ts";
import { openNatsQueue } from "../../src/engines/nats/queue.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { isMillraceError } from "../../src/lib/errors.ts";
import type { AppendRequest, QueueEngine } from "../../src/queue/engine.ts";
import { natsMissing } from "../support/nats-cluster.ts";

const missing = natsMissing();
const wait = { timeout: 90_000, interval: 100 };

const request = (n: number): AppendRequest => ({
  partition: 0,
  event: {
    ...{ id: `event-${n}`, source: "/test", type: "counted", key: "key", data: "1" },
    ...{ time: "2026-01-01T00:00:00Z", attributes: {} },
  },
});

describe.skipIf(missing)(`a leader that is cut off${missing ? ` (${missing})` : ""}`, () => {
  let folder: string;
  let servers: EngineServers;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "mr-cut-"));
    servers = await startNats({ folder, clock: systemClock, onOutput: () => {} });
  }, 120_000);
  afterAll(async () => {
    await servers?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it("tells no end that lies before what was accepted", { timeout: 180_000 }, async () => {
    const [, hosts = ""] = /nats:\/\/([^?]+)/.exec(servers.environment.MILLRACE_QUEUE ?? "") ?? [];
    const open = (at: readonly string[]): Promise<QueueEngine> =>
      openNatsQueue({ url: `nats://${at.join(",")}?bytes=100000000`, partitions: 1 });
    const all = hosts.split(",");
    const first = await open(all);
    let sent = 0;
    let accepted = (await first.append([request(sent++)]))[0]?.position ?? 0;
    await first.close();

    const cut = servers.faults.find(({ name }) => name === "cut");
    const struck = await cut?.strike();
    const at = Number(/nats-(\d)/.exec(struck?.what ?? "")?.[1]) - 1;
    const inside = await open(all.filter((_, other) => other === at));
    const outside = await open(all.filter((_, other) => other !== at));
    const told: string[] = [];
    let isOver = false;
    const asking = (async () => {
      while (!isOver) {
        const before = accepted;
        try {
          const end = (await inside.ends()).get(0) ?? 0;
          told.push(end < before ? `the end ${end} after ${before} was accepted` : "known");
        } catch (error) {
          expect(isMillraceError(error, "MR_QUEUE_UNAVAILABLE"), String(error)).toBe(true);
          told.push("unknown");
        }
      }
    })();
    asking.catch(() => {});
    await vi.waitFor(async () => {
      accepted = (await outside.append([request(sent++)]))[0]?.position ?? 0;
      expect(told).toContain("unknown");
    }, wait);
    await struck?.heal?.();
    // Healed, it is known again.
    const count = told.length;
    await vi.waitFor(() => expect(told.slice(count + 1)).toContain("known"), wait);
    isOver = true;
    await asking;
    expect(told.filter((one) => one !== "known" && one !== "unknown")).toEqual([]);
    await inside.close();
    await outside.close();
  });
});
