/**
 * One system on five hosts, each a network namespace with an address of its own: a trace is whole
 * across them, requests are spread, strangers are refused, and a host that is cut off, killed or
 * drained costs nobody else anything.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openSqlite } from "../../src/engines/sqlite/sqlite.ts";
import type { SpanRecord } from "../../src/tracing/span-store.ts";
import { hostsMissing } from "../support/hosts.ts";
import { app, Cluster, waitOptions } from "./cluster.ts";

const missing = hostsMissing();
const isSkipped = missing !== undefined && process.env.CI !== "true";
const what = isSkipped ? `several machines (skipped: ${missing})` : "several machines";

describe.skipIf(isSkipped)(what, { timeout: 120_000 }, () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = new Cluster();
    await cluster.start();
  }, 120_000);
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
  }, 120_000);

  /** All spans of a hop that host `a` keeps. */
  const spansOf = (hop: number): SpanRecord[] => {
    const db = openSqlite(cluster.traces, { synchronous: "NORMAL" });
    try {
      const rows = db.prepare("select record from spans").all();
      return rows
        .map(({ record }) => JSON.parse(String(record)) as SpanRecord)
        .filter((span) => span.hop === hop && !span.name.startsWith("GET"));
    } finally {
      db.close();
    }
  };
  const countOf = (hop: number, host: string): number =>
    spansOf(hop).filter(({ box }) => box.endsWith(` on ${host}`)).length;

  /** Posts by so many people at once, in all partitions; each is applied by every worker. */
  const postAll = (name: string, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, at) => cluster.post(`${name}-${at}`, "to @grace")),
    );

  it("shows the thirteen hops of a request on one trace, whichever host made them", async () => {
    // Just after the start partitions change hands, and an outbox may be relayed twice: then the
    // trace of the next request is the one to look at.
    const { id, spans } = await vi.waitFor(async () => {
      const { id } = await cluster.post("ada", "hello @grace");
      const trace = await cluster.get(`/events/${id}/trace`);
      const { traces } = (await trace.json()) as { traces: { spans: SpanRecord[] }[] };
      const hops = traces.flatMap(({ spans }) => spans).filter(({ hop }) => hop !== undefined);
      const spans = hops.toSorted((one, other) => (one.hop ?? 0) - (other.hop ?? 0));
      expect(spans.map(({ hop }) => hop)).toEqual(Array.from({ length: 13 }, (_, at) => at + 1));
      return { id, spans };
    }, waitOptions);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    const hosts = spans.map(({ box }) => box.split(" on ")[1] ?? "");
    expect(hosts[0]).toBe("a");
    for (const host of hosts.slice(1, 4)) expect("bc").toContain(host);
    for (const host of hosts.slice(4)) expect("de").toContain(host);

    const { output } = await endOf(cluster.spawn("e", ["trace", id, "--json"]));
    expect(JSON.parse(output).traces[0].hops).toHaveLength(13);
  });

  it("spreads requests evenly over the gateways' hosts, and events over the workers'", async () => {
    const before = { b: countOf(2, "b"), c: countOf(2, "c") };
    for (let sent = 0; sent < 40; sent++) {
      await cluster.post(`author-${sent}`, "spread");
    }
    await vi.waitFor(() => {
      const added = { b: countOf(2, "b") - before.b, c: countOf(2, "c") - before.c };
      expect(added.b + added.c).toBe(40);
      expect(Math.abs(added.b - added.c)).toBeLessThanOrEqual(2);
      expect(countOf(5, "d")).toBeGreaterThan(0);
      expect(countOf(5, "e")).toBeGreaterThan(0);
    }, waitOptions);
  });

  it("lets nobody in without the secret, and does not begin where that could happen", async () => {
    const at = (name: "a" | "b" | "d", path: string) =>
      `http://${cluster.host(name).address}:8081${path}`;
    const wrong = { "millrace-peer": "A".repeat(43) };
    for (const headers of [{}, wrong, cluster.authorization]) {
      for (const url of [
        at("b", "/timelines/home?user=ada"),
        at("d", "/queries/home?user=ada"),
        at("a", "/traces?event=x"),
      ]) {
        const answer = await fetch(url, { headers });
        expect(answer.status, url).toBe(403);
        expect(await answer.json()).toMatchObject({ code: "MR_PEER_UNKNOWN" });
      }
    }
    // Whoever is in front may ask for its health.
    expect((await fetch(at("b", "/readyz"))).status).toBe(200);
    expect((await fetch(at("d", "/readyz"))).status).toBe(200);

    for (const [changes, message] of [
      [{ MILLRACE_CLUSTER_SECRET: "" }, "MR_CONFIG_INVALID"],
      [{ MILLRACE_QUEUE: "sqlite:" }, "which the other hosts do not see"],
      [{ ...alone, MILLRACE_CLUSTER_SECRET: "" }, "MR_SECRET_REQUIRED"],
      [{ MILLRACE_AUTH: "open", MILLRACE_HOST: "" }, "MR_AUTH_REQUIRED"],
    ] as const) {
      const refused = cluster.spawn("b", ["start", app, "--only", "gateway"], changes);
      expect(await endOf(refused)).toMatchObject({
        code: 3,
        output: expect.stringContaining(message),
      });
    }
  });

  it("does not let a second host run under the name of another", async () => {
    const twin = { MILLRACE_HOST_NAME: "d", MILLRACE_DATA: cluster.data("twin") };
    const refused = cluster.spawn("a", ["start", app, "--only", "worker"], twin);
    expect(await endOf(refused)).toMatchObject({
      code: 3,
      output: expect.stringContaining("MR_INSTANCE_TWICE"),
    });
    // The one that has the name goes on with it.
    await postAll("twin", 16);
    expect(cluster.output).not.toContain("MR_INSTANCE_TWICE");
  });

  it("goes on past a host that is cut off, says so when all are, and heals", async () => {
    const ask = () => cluster.get("/timelines/home?user=ada");
    cluster.host("d").cutOff();
    // Each of them is answered, though some begin at the host that answers no more.
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    // Its partitions have another owner as soon as its leases have run out.
    await postAll("elsewhere", 16);

    cluster.host("e").cutOff();
    await vi.waitFor(async () => {
      const answer = await ask();
      expect(answer.status).toBe(503);
      expect(answer.headers.get("retry-after")).toBe("1");
      expect(await answer.json()).toMatchObject({ code: "MR_WORKER_UNAVAILABLE" });
    }, waitOptions);

    cluster.host("d").rejoin();
    cluster.host("e").rejoin();
    await vi.waitFor(async () => expect((await ask()).status).toBe(200), waitOptions);
    // Every gateway finds out for itself, and every partition has an owner that gets on.
    const heals = async () => {
      const answers = await Promise.all(Array.from({ length: 4 }, ask));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      await postAll("healed", 32);
    };
    await vi.waitFor(heals, waitOptions);
  });

  it("goes on past a gateway's host that is cut off, and uses it again once it is back", async () => {
    cluster.host("b").cutOff();
    await postAll("cut", 12).finally(() => cluster.host("b").rejoin());
    const before = countOf(2, "b");
    await vi.waitFor(async () => {
      await cluster.post("back", "again");
      expect(countOf(2, "b")).toBeGreaterThan(before);
    }, waitOptions);
  });

  it("drains a gateway's host without a single request that fails", async () => {
    let isStopped = false;
    const stopping = cluster.stopHost("c").finally(() => {
      isStopped = true;
    });
    for (let sent = 0; !isStopped; sent++) {
      await cluster.post(`drained-${sent}`, "while it stops");
    }
    expect(await stopping).toBe(0);
  });

  it("moves the partitions of a workers' host whose power fails to another", async () => {
    cluster.host("e").kill();
    await postAll("moved", 32);
    // What follows from them, too, and once each.
    await vi.waitFor(async () => {
      const list = await (await cluster.get("/notifications/list?user=grace")).text();
      for (let sent = 0; sent < 32; sent++) {
        expect(list.split(`"moved-${sent}"`)).toHaveLength(2);
      }
    }, waitOptions);
  });
});

/** Nothing of other hosts is named: then it is only about who comes in. */
const alone = { MILLRACE_GATEWAY_URLS: "", MILLRACE_WORKER_URLS: "", MILLRACE_TRACES: "" };

async function endOf(child: ChildProcess): Promise<{ code: number | null; output: string }> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  const [code] = await once(child, "close");
  return { code, output };
}
