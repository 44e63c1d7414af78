/**
 * A server that says nothing any more, and takes nothing: nobody closes its connections, and what
 * was sent to it fills the buffers of the machine. Whoever asks it must turn to another in time.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openNatsQueue } from "../../src/engines/nats/queue.ts";
import { isMillraceError } from "../../src/lib/errors.ts";
import type { AppendRequest, QueueEngine } from "../../src/queue/engine.ts";
import { NatsCluster, natsMissing } from "../support/nats-cluster.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const missing = natsMissing();

/** More than the systems of both sides keep of a connection that nobody reads. */
const largeEvents = 60;
const largeBytes = 500_000;

const request = (id: string, data: string): AppendRequest => ({
  partition: 0,
  event: {
    ...{ id, source: "/test", type: "counted", key: "a" },
    ...{ time: "2026-01-01T00:00:00Z", data: JSON.stringify(data), attributes: {} },
  },
});

describe.skipIf(missing)(`a NATS server that falls silent${missing ? ` (${missing})` : ""}`, () => {
  let cluster: NatsCluster;
  let queue: QueueEngine;
  beforeAll(async () => {
    cluster = await NatsCluster.start({ servers: 1 });
  });
  afterAll(async () => {
    await queue?.close();
    await cluster?.[Symbol.asyncDispose]();
  });

  it("is left for another, however much it was sent", { timeout: 120_000 }, async () => {
    const port = cluster.servers[0]?.port ?? 0;
    await using one = await TcpProxy.to(port);
    await using other = await TcpProxy.to(port);
    const hosts = [one, other].map((proxy) => `127.0.0.1:${proxy.port}`).join(",");
    const url = `nats://${hosts}?replicas=1&stream=silence&bytes=500000000`;
    queue = await openNatsQueue({ url, partitions: 1 });
    await queue.append([request("first", "small")]);
    const [used] = [one, other].filter(({ connections }) => connections > 0);
    used?.fallSilent();
    const large = Array.from({ length: largeEvents }, (_, n) =>
      queue.append([request(`large-${n}`, "x".repeat(largeBytes))]),
    );
    // Each is stored in the end, or was given up; nobody waits for ever.
    for (const outcome of await Promise.allSettled(large)) {
      if (outcome.status === "rejected") expect(isMillraceError(outcome.reason)).toBe(true);
    }
    const [receipt] = await queue.append([request("last", "small")]);
    expect(receipt).toMatchObject({ id: "last", duplicate: false });
  });
});
