/**
 * The reference application, unchanged, with its queue on three NATS servers: receipts say how
 * durable an event is, both workers apply it once, a repeated key gives the first receipt, and the
 * loss of the stream's leader costs nobody an event. Servers that cannot keep the promises are
 * refused, and accepted by a person's word, or under `dev`, which tells of it.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startSystem } from "../../examples/running-system.ts";
import { Command } from "../cli/command-line.ts";
import { freePort } from "../support/free-port.ts";
import { NatsCluster, natsMissing } from "../support/nats-cluster.ts";
import { projectFolder } from "../support/project-folder.ts";
import { waitOptions } from "./picture.ts";

const missing = natsMissing();
const app = "examples/social/app.ts";
const readyPaths = ["/timelines/home?user=ada", "/notifications/list?user=ada"];

interface Receipt {
  readonly id: string;
  readonly durable: string;
  readonly synced?: boolean;
  readonly duplicate?: boolean;
}

async function publish(url: string, author: string, key: string): Promise<Receipt> {
  const answer = await fetch(`${url}/events/post.published`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": `"${key}"` },
    body: JSON.stringify({ author, text: `${key} for @grace` }),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Receipt;
}

/** Until it is accepted, as a client does that was told that the key is safe to repeat. */
const publishSurely = (url: string, author: string, key: string) =>
  vi.waitFor(() => publish(url, author, key), waitOptions);

describe.skipIf(missing)(`the picture on NATS${missing ? ` (${missing})` : ""}`, () => {
  let cluster: NatsCluster;

  beforeAll(async () => {
    cluster = await NatsCluster.start({ servers: 3 });
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it("keeps its promises while the leader of its queue is lost", async () => {
    const url = `${cluster.url}&monitor=${cluster.monitorPorts}&bytes=100000000`;
    await using system = await startSystem(app, {
      readyPaths,
      environment: { MILLRACE_QUEUE: url },
    });
    const first = await publish(system.url, "ada", "post-0");
    expect(first).toMatchObject({ durable: "replicated(3)", synced: true });
    expect(await publish(system.url, "ada", "post-0")).toEqual({ ...first, duplicate: true });

    const leader = cluster.servers[(await cluster.leaderOf("millrace")) ?? 0];
    const ids = [first.id];
    for (let n = 1; n < 60; n++) {
      if (n === 20) await leader?.kill();
      ids.push((await publishSurely(system.url, "ada", `post-${n}`)).id);
    }
    await leader?.start();
    await vi.waitFor(async () => {
      const answer = await fetch(`${system.url}/timelines/profile?user=ada&limit=100`);
      expect(answer.status).toBe(200);
    }, waitOptions);
    for (const id of [ids[0], ids[30], ids[59]]) {
      await vi.waitFor(async () => {
        const answer = await fetch(`${system.url}/events/${id}`);
        const { workers } = (await answer.json()) as { workers: Record<string, { state: string }> };
        const states = Object.values(workers).map(({ state }) => state);
        expect(states).toEqual(states.map(() => "done"));
      }, waitOptions);
    }
    expect(await system.stop()).toBe(0);
  });

  it("waits for servers that start at the same time", async () => {
    await using late = await NatsCluster.start({ servers: 3 });
    const url = `${late.url}&monitor=${late.monitorPorts}&bytes=100000000`;
    await Promise.all(late.servers.map((server) => server.kill()));
    await using folder = await projectFolder();
    await using start = new Command(["start", app, "--port", "0", "--admin-port", "0"], {
      env: { MILLRACE_QUEUE: url, MILLRACE_DATA: join(folder.path, "data") },
    });
    await start.prints(/the start waits for what it depends on/);
    await Promise.all(late.servers.map((server) => server.start()));
    await start.prints(/ {2}API {2}/);
    expect((await start.stop("SIGINT")).code).toBe(0);
  });

  it("is refused on servers that cannot keep them, unless somebody says so", async () => {
    await using lax = await NatsCluster.start({ servers: 1, syncAlways: false });
    const url = `${lax.url}&monitor=${lax.monitorPorts}&bytes=100000000`;
    const environment = { MILLRACE_QUEUE: url };
    const refused = await startSystem(app, { readyPaths, environment }).catch((error) => error);
    expect(String(refused)).toContain("MR_ENGINE_UNSAFE");
    await using system = await startSystem(app, {
      readyPaths,
      environment: { ...environment, MILLRACE_UNSAFE_ENGINES: "accept" },
    });
    expect(system.output()).toContain("acknowledges before it syncs");
    const receipt = await publish(system.url, "ada", "only");
    expect(receipt).toMatchObject({ durable: "replicated(1)", synced: false });
  });

  it("runs on them under dev, which says what they do not keep", async () => {
    await using lax = await NatsCluster.start({ servers: 1, syncAlways: false });
    await using folder = await projectFolder();
    const port = String(await freePort());
    await using dev = new Command(["dev", app, "--port", port, "--admin-port", "0"], {
      env: {
        MILLRACE_QUEUE: `${lax.url}&monitor=${lax.monitorPorts}&bytes=100000000`,
        MILLRACE_DATA: join(folder.path, "data"),
      },
    });
    await dev.prints(/development only: NATS sync: .* acknowledges before it syncs/);
    await dev.prints(/development only: NATS replicas: 1/);
    const receipt = await publishSurely(`http://127.0.0.1:${port}`, "ada", "only");
    expect(receipt).toMatchObject({ durable: "replicated(1)", synced: false });
    expect((await dev.stop("SIGINT")).code).toBe(0);
  });
});
