/**
 * Proves that a gateway which is killed, restarted, drained or renewed under load costs no client
 * an error, and that a publish sent twice carries the same id both times. The gateways here are
 * real processes on Unix sockets, killed with SIGKILL.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, startBalancer, type TestBalancer, until } from "./support.ts";

const program = fileURLToPath(new URL("./gateway-process.ts", import.meta.url));

let folder: string;
const children = new Set<ChildProcess>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-balancer-"));
});
afterEach(async () => {
  await Promise.all([...children].map((child) => end(child, "SIGKILL")));
  rmSync(folder, { recursive: true, force: true });
});

const socketOf = (name: string) => join(folder, `${name}.sock`);
const idsFileOf = (name: string) => join(folder, `${name}.ids`);
const gatewayOf = (name: string) => ({ name, address: { socketPath: socketOf(name) } });

async function begin(name: string): Promise<ChildProcess> {
  const args = [program, socketOf(name), idsFileOf(name)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await exited;
}

/** Ids that the gateways noted, by the path of their request. */
function notedIds(names: readonly string[]): Map<string, string[]> {
  const ids = new Map<string, string[]>();
  for (const name of names) {
    for (const line of readFileSync(idsFileOf(name), "utf8").split("\n").filter(Boolean)) {
      const [path = "", id = ""] = line.split(" ");
      ids.set(path, [...(ids.get(path) ?? []), id]);
    }
  }
  return ids;
}

/** Clients that send one request after the other until they are stopped. */
class Load {
  readonly answers: Answer[] = [];
  readonly errors: Error[] = [];
  readonly paths: string[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  readonly #port: number;
  readonly #clients: Promise<void>[];
  #isStopped = false;

  constructor({ port }: TestBalancer) {
    this.#port = port;
    this.#clients = Array.from({ length: 16 }, (_, at) => this.#client(at));
  }

  /** Waits until so many more requests were answered. */
  async more(count: number): Promise<void> {
    const enough = this.answers.length + count;
    await until(() => this.answers.length >= enough || this.errors.length > 0);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  async #client(at: number): Promise<void> {
    for (let turn = 0; !this.#isStopped; turn++) {
      const isQuery = turn % 4 === 3;
      const path = isQuery ? "/timelines/home" : `/events/load?${at}-${turn}`;
      if (!isQuery) this.paths.push(path);
      await this.#send(isQuery ? "GET" : "POST", path).catch((error) => this.errors.push(error));
    }
  }

  #send(method: string, path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const options = { port: this.#port, host: "127.0.0.1", method, path, agent: this.#agent };
      const request = httpRequest(options, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text) => {
          body += text;
        });
        response.on("error", reject).on("end", () => {
          this.answers.push({ status: response.statusCode ?? 0, headers: response.headers, body });
          resolve();
        });
      });
      request.on("error", reject).end(method === "POST" ? '{"text":"hello"}' : undefined);
    });
  }
}

function expectNoError(load: Load): void {
  expect(load.errors).toEqual([]);
  expect(load.answers.filter(({ status }) => status !== 200 && status !== 202)).toEqual([]);
}

test("gateways killed under load, again and again, cost no client an error", async () => {
  const processes = { one: await begin("one"), two: await begin("two") };
  await using front = await startBalancer([gatewayOf("one"), gatewayOf("two")]);
  const load = new Load(front);
  await load.more(200);
  for (const name of ["one", "two", "one", "two"] as const) {
    await end(processes[name], "SIGKILL");
    await load.more(300);
    processes[name] = await begin(name);
    // It gets requests again once it has been found ready.
    const requests = () => front.balancer.snapshot().gateways.map((gateway) => gateway.requests);
    const before = requests();
    await until(() => requests().every((count, at) => count > (before[at] ?? 0) + 50));
  }
  await load.stop();
  expectNoError(load);
  const ids = notedIds(["one", "two"]);
  const repeated = load.paths.filter((path) => (ids.get(path)?.length ?? 0) > 1);
  expect(repeated.length).toBeGreaterThan(0);
  for (const path of load.paths) expect(new Set(ids.get(path)).size).toBe(1);
});

test("a rolling restart costs no client an error, and no request a second attempt", async () => {
  const processes = { one: await begin("one"), two: await begin("two") };
  await using front = await startBalancer([gatewayOf("one"), gatewayOf("two")]);
  const load = new Load(front);
  await load.more(100);
  for (const name of ["one", "two"] as const) {
    const draining = front.balancer.drain(name);
    expect(
      front.balancer.snapshot().gateways.find((gateway) => gateway.name === name),
    ).toMatchObject({ draining: true });
    await draining;
    const drained = front.balancer.snapshot().gateways.find((gateway) => gateway.name === name);
    expect(drained?.inFlight).toBe(0);
    await end(processes[name], "SIGTERM");
    await load.more(100);
    const after = front.balancer.snapshot().gateways.find((gateway) => gateway.name === name);
    expect(after?.requests).toBe(drained?.requests);
    processes[name] = await begin(name);
    front.balancer.resume(name);
    await load.more(100);
  }
  await load.stop();
  expectNoError(load);
  const ids = notedIds(["one", "two"]);
  for (const path of load.paths) expect(ids.get(path)).toHaveLength(1);
});

test("gateways come and go while requests are under way", async () => {
  await Promise.all(["one", "two", "three"].map(begin));
  const one = gatewayOf("one");
  const two = gatewayOf("two");
  const three = gatewayOf("three");
  await using front = await startBalancer([one]);
  const load = new Load(front);
  for (const gateways of [[one, two], [two, three], [three], [one, three]]) {
    await load.more(50);
    front.balancer.setGateways(gateways);
    const names = front.balancer.snapshot().gateways.map(({ name }) => name);
    expect(names).toEqual(gateways.map(({ name }) => name));
  }
  await load.more(100);
  await load.stop();
  expectNoError(load);
});
