/**
 * What the NATS engine says where the server's data or limits get in its way: a stream that was
 * removed or made anew, no room, messages that are too large, servers that answer before they sync.
 * On one real server, since none of it depends on their number.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import { jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseNatsAddress } from "../../src/engines/nats/address.ts";
import { hasStream, inspectNats } from "../../src/engines/nats/inspection.ts";
import { openNatsQueue } from "../../src/engines/nats/queue.ts";
import { judgeVersion } from "../../src/engines/nats/versions.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { AppendRequest, QueueEngine } from "../../src/queue/engine.ts";
import { freePort } from "../support/free-port.ts";
import { NatsCluster, natsMissing } from "../support/nats-cluster.ts";

const missing = natsMissing();
const partitions = 4;

const request = (id: string, data = '"data"'): AppendRequest => ({
  partition: id.length % partitions,
  event: {
    ...{ id, source: "/test", type: "counted", key: "key", data },
    ...{ time: "2026-01-01T00:00:00Z", attributes: {} },
  },
});

const fromStart = () => new Map(Array.from({ length: partitions }, (_, at) => [at, 0]));

async function storedIds(engine: QueueEngine): Promise<string[]> {
  const subscription = engine.subscribe(fromStart());
  const ids: string[] = [];
  for (;;) {
    const { events, positions } = await subscription.next(500, 0);
    if (positions.size === 0) break;
    ids.push(...events.map(({ event }) => event.id));
  }
  await subscription.close();
  return ids;
}

const disposable = (value: QueueEngine) => ({
  value,
  [Symbol.asyncDispose]: () => value.close(),
});

/** Calls until one has no room: all that was accepted is there, and nothing else. */
async function fill(url: string): Promise<void> {
  await using engine = disposable(await openNatsQueue({ url, partitions }));
  const accepted: string[] = [];
  const callOf = (call: number) =>
    Array.from({ length: 20 }, (_, at) =>
      request(`call-${call}-${at}`, JSON.stringify("x".repeat(2_000))),
    );
  let call = 0;
  for (let isFull = false; !isFull; call++) {
    await engine.value.append(callOf(call)).then(
      (receipts) => accepted.push(...receipts.map(({ id }) => id)),
      (error) => {
        expect(error).toMatchObject({ code: "MR_QUEUE_FULL" });
        isFull = true;
      },
    );
  }
  expect((await storedIds(engine.value)).sort()).toEqual([...accepted].sort());
  for (const [partition, end] of await engine.value.ends()) {
    await engine.value.trim(partition, end);
  }
  const receipts = await engine.value.append(callOf(call - 1));
  expect(receipts.every(({ duplicate }) => !duplicate)).toBe(true);
}

describe.skipIf(missing)(`one NATS server${missing ? ` (${missing})` : ""}`, () => {
  let cluster: NatsCluster;

  beforeAll(async () => {
    cluster = await NatsCluster.start({ servers: 1 });
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const placeOf = (bytes = 50_000_000) => {
    const stream = `test-${randomUUID()}`;
    return { stream, url: `${cluster.url}&stream=${stream}&bytes=${bytes}` };
  };

  it("a stream that was removed is told to writers and readers, and so is one made anew", async () => {
    const { stream, url } = placeOf();
    await using engine = disposable(await openNatsQueue({ url, partitions }));
    await engine.value.append([request("one")]);
    const subscription = engine.value.subscribe(fromStart());
    expect((await subscription.next(10, 0)).events).toHaveLength(1);
    await cluster.removeStream(stream);
    const gone = expect.objectContaining({ code: "MR_QUEUE_IDENTITY" });
    await expect(engine.value.append([request("two")])).rejects.toEqual(gone);
    await using anew = disposable(await openNatsQueue({ url, partitions }));
    expect(anew.value.identity).not.toBe(engine.value.identity);
    await expect(engine.value.append([request("three")])).rejects.toEqual(gone);
    await expect(engine.value.subscribe(fromStart()).next(10, 0)).rejects.toEqual(gone);
    await subscription.close();
    expect(await storedIds(anew.value)).toEqual([]);
  });

  it("a stream that is not Millrace's is left alone", async () => {
    const { stream, url } = placeOf();
    const nc = await connect({ servers: cluster.hosts });
    const jsm = await jetstreamManager(nc);
    const retention = RetentionPolicy.Limits;
    await jsm.streams.add({
      ...{ name: stream, subjects: [stream], retention, storage: StorageType.Memory },
    });
    await nc.close();
    await expect(openNatsQueue({ url, partitions })).rejects.toMatchObject({
      code: "MR_QUEUE_IDENTITY",
    });
  });

  it.each([1, 3] as const)(
    "what has no room on %i servers is refused whole, and accepted once there is room",
    async (servers) => {
      await using one = await NatsCluster.start({ servers });
      for (const bytes of [1_000_000, 1_010_000, 1_020_000]) {
        await fill(`${one.url}&stream=full-${bytes}&bytes=${bytes}`);
      }
    },
  );

  it("whether a queue is there can be asked, which makes none", async () => {
    const { url } = placeOf();
    expect([await hasStream(url), await hasStream(url)]).toEqual([false, false]);
    await (await openNatsQueue({ url, partitions })).close();
    expect(await hasStream(url)).toBe(true);
  });

  it("a stream for which the servers have too little storage is told with what to do", async () => {
    const { url } = placeOf(2 ** 50);
    await expect(openNatsQueue({ url, partitions })).rejects.toMatchObject({
      code: "MR_QUEUE_FULL",
      remedy: expect.stringContaining("bytes="),
    });
  });

  it("an event beyond the server's messages is refused by name, and others go on", async () => {
    const { url } = placeOf();
    await using engine = disposable(await openNatsQueue({ url, partitions }));
    const large = request("large", JSON.stringify("x".repeat(1_048_570)));
    await expect(engine.value.append([large])).rejects.toMatchObject({ code: "MR_BODY_TOO_LARGE" });
    await engine.value.append([request("small")]);
    expect(await storedIds(engine.value)).toEqual(["small"]);
  });

  it("receipts say whether servers sync, where their monitoring tells", async () => {
    await using lax = await NatsCluster.start({ servers: 1, syncAlways: false });
    const synced = async (url: string) => {
      await using engine = disposable(await openNatsQueue({ url, partitions }));
      const [receipt] = await engine.value.append([request(randomUUID())]);
      expect(receipt).toMatchObject({ durable: "replicated(1)" });
      return receipt?.synced;
    };
    expect(await synced(`${placeOf().url}&monitor=${cluster.monitorPorts}`)).toBe(true);
    expect(await synced(placeOf().url)).toBe(undefined);
    expect(await synced(`${lax.url}&bytes=1000000&monitor=${lax.monitorPorts}`)).toBe(false);
    const findings = await inspectNats(`${lax.url}&monitor=${lax.monitorPorts}`, systemClock);
    const failed = findings.filter(({ status }) => status === "fail").map(({ what }) => what);
    expect(failed).toEqual(["NATS sync", "NATS replicas"]);
  });

  it("a server that is down keeps nobody from starting, one that hides how it syncs does", async () => {
    const [server] = cluster.servers;
    const alive = `127.0.0.1:${server?.port}`;
    const monitor = server?.monitorPort;
    const nobody = await freePort();
    const sync = async (third: string) => {
      const url = `nats://${alive},${alive},${third}?monitor=${monitor},${monitor},${nobody}`;
      const findings = await inspectNats(url, systemClock);
      return findings.find(({ what }) => what === "NATS sync");
    };
    expect(await sync(`127.0.0.1:${nobody}`)).toMatchObject({
      status: "warn",
      detail: expect.stringContaining(`127.0.0.1:${nobody} is down`),
    });
    expect(await sync(alive)).toMatchObject({ status: "fail" });
  });

  it("a queue that cannot be reached is told with its hosts, and without its password", async () => {
    const url = "nats://ada:secret@127.0.0.1:1";
    const failure = await openNatsQueue({ url, partitions }).catch((error) => error);
    expect(failure).toMatchObject({ code: "MR_QUEUE_UNAVAILABLE" });
    expect(failure.message).toContain("127.0.0.1:1");
    const [finding] = await inspectNats(url, systemClock);
    expect(finding).toMatchObject({ status: "fail", detail: failure.message });
    expect(JSON.stringify(finding)).not.toContain("secret");
  });
});

describe.skipIf(missing)("the first connection", () => {
  it("is tried again where a server does not answer in time", async () => {
    await using cluster = await NatsCluster.start({ servers: 1 });
    const { port } = cluster.servers[0] ?? {};
    let connections = 0;
    const proxy = createServer((inside) => {
      connections += 1;
      inside.on("error", () => {});
      if (connections === 1) return;
      const outside = connectTcp(port ?? 0, "127.0.0.1");
      outside.on("error", () => inside.destroy());
      inside.pipe(outside).pipe(inside);
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const url = `nats://127.0.0.1:${(proxy.address() as AddressInfo).port}?replicas=1`;
    const engine = await openNatsQueue({ url: `${url}&bytes=1000000`, partitions });
    expect(connections).toBeGreaterThan(1);
    await engine.close();
    proxy.close();
  });
});

describe("the address", () => {
  it("names servers, credentials, stream and replicas", () => {
    expect(
      parseNatsAddress("nats://ada:p%40ss@one,[::1]:4223?replicas=1&stream=s&monitor=8222,8223"),
    ).toMatchObject({
      servers: ["one:4222", "[::1]:4223"],
      ...{ user: "ada", password: "p@ss", tls: false },
      ...{ replicas: 1, stream: "s", monitor: [8222, 8223] },
    });
    expect(parseNatsAddress("tls://token@one:1")).toMatchObject({ token: "token", tls: true });
  });

  it.each([
    "nats://",
    "nats://one:4222?replica=3",
    "nats://one:4222?replicas=0",
    "nats://one,two two",
    "nats://one?stream=a.b",
    "nats://one?monitor=x",
  ])("%s is refused", (url) => {
    expect(() => parseNatsAddress(url)).toThrow(
      expect.objectContaining({ code: "MR_CONFIG_INVALID" }),
    );
  });
});

it.each([
  ["2.9.10", "fail"],
  ["2.11.16", "fail"],
  ["2.12.0", "warn"],
  ["2.12.6", "warn"],
  ["2.12.7", "pass"],
  ["2.15.1", "pass"],
] as const)("server version %s: %s", (version, status) => {
  expect(judgeVersion(version).status).toBe(status);
});
