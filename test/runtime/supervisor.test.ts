/**
 * The supervisor keeps its processes running and stops them in order. Proven with real processes
 * (support/box.mjs does what each test tells it to) and a clock that is turned by hand, so that the
 * delays are seen exactly and nothing waits for them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/lib/limits.ts";
import { silentLog } from "../../src/lib/log.ts";
import { parseConfig } from "../../src/runtime/config.ts";
import { Supervisor } from "../../src/runtime/supervisor.ts";
import type { BoxPlan } from "../../src/runtime/topology.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { until } from "./support/until.ts";

const boxModule = fileURLToPath(new URL("./support/box.mjs", import.meta.url));
const listen = { socketPath: "/nowhere" };
const balancer: BoxPlan = {
  kind: "balancer",
  name: "balancer",
  title: "balancer",
  listen,
  gateways: [],
  publishPaths: [],
};
const gateway = (number: number): BoxPlan => ({
  kind: "gateway",
  name: `gateway-${number}`,
  title: `gateway ${number}`,
  listen,
  workers: [],
});
const worker: BoxPlan = {
  kind: "worker",
  name: "worker-a-1",
  title: "worker a 1",
  worker: "a",
  instance: "a 1",
  listen,
};

let folder: string;
let journal: string;
let clock: ManualClock;
const running: Supervisor[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-supervisor-"));
  journal = join(folder, "journal");
  clock = new ManualClock();
});
afterEach(async () => {
  for (const supervisor of running.splice(0)) {
    supervisor.kill();
    await supervisor.stop();
  }
  rmSync(folder, { recursive: true });
});

function supervise(plans: readonly BoxPlan[], behaviour: Record<string, string> = {}): Supervisor {
  const { config } = parseConfig({}, {});
  const supervisor = new Supervisor({
    plans,
    assignment: { app: "/app.ts", data: "/data", config, workerNames: ["a"], run: "one" },
    clock,
    log: silentLog,
    module: boxModule,
    environment: {
      ...process.env,
      BOX_JOURNAL: journal,
      BOX_BEHAVIOUR: JSON.stringify(behaviour),
    },
  });
  running.push(supervisor);
  return supervisor;
}

/** Every line of the journal without the process number. */
const steps = (): string[] => lines().map((line) => line.split(" ").slice(0, 2).join(" "));
const lines = (): string[] => readFileSync(journal, "utf8").trim().split("\n");
const statusOf = (supervisor: Supervisor, name: string) =>
  supervisor.snapshot().find((status) => status.name === name);

describe("starting", () => {
  it("lets the balancer begin only once a gateway is ready, and tells its port", async () => {
    const supervisor = supervise([balancer, gateway(1), gateway(2), worker]);
    await supervisor.start();
    expect(supervisor.port).toBe(4711);
    expect(supervisor.snapshot().every(({ state }) => state === "running")).toBe(true);
    const order = steps();
    const firstGateway = order.findIndex((step) => /^gateway-\d ready/.test(step));
    expect(order.indexOf("balancer begin")).toBeGreaterThan(firstGateway);
  });

  it("fails with the mistake that a box reports, and leaves no process behind", async () => {
    const supervisor = supervise([gateway(1), worker], { "worker-a-1": "fail" });
    await expect(supervisor.start()).rejects.toMatchObject({
      code: "MR_MIGRATION_FAILED",
      message: "no such table",
    });
    expect(supervisor.snapshot().map(({ state, pid }) => [state, pid])).toEqual([
      ["stopped", undefined],
      ["stopped", undefined],
    ]);
  });
});

describe("keeping alive", () => {
  it("begins a crashing process again, later and later, up to a limit", async () => {
    const supervisor = supervise([worker], { "worker-a-1": "crash" });
    await supervisor.start();
    const delays: number[] = [];
    for (let crash = 1; crash <= 9; crash++) {
      await until(() => statusOf(supervisor, "worker-a-1")?.state === "waiting", "it has crashed");
      delays.push(clock.nextAfterMs() ?? -1);
      clock.turn(clock.nextAfterMs() ?? 0);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    expect(statusOf(supervisor, "worker-a-1")?.restarts).toBe(9);
  });

  it("begins a process that gets something done again and again without growing delays", async () => {
    const supervisor = supervise([worker], { "worker-a-1": "progress" });
    await supervisor.start();
    for (let crash = 1; crash <= 4; crash++) {
      await until(() => statusOf(supervisor, "worker-a-1")?.state === "waiting", "it has crashed");
      expect(clock.nextAfterMs()).toBe(limits.restartDelayBaseMs);
      clock.turn(limits.restartDelayBaseMs);
    }
  });

  it("begins a killed process again under another number", async () => {
    const supervisor = supervise([worker]);
    await supervisor.start();
    const first = statusOf(supervisor, "worker-a-1")?.pid ?? 0;
    process.kill(first, "SIGKILL");
    await until(() => statusOf(supervisor, "worker-a-1")?.state === "waiting", "it is missed");
    clock.turn(limits.restartDelayBaseMs);
    await until(() => statusOf(supervisor, "worker-a-1")?.state === "running", "it is back");
    expect(statusOf(supervisor, "worker-a-1")?.pid).not.toBe(first);
  });

  it("kills a process whose event loop stands still, and begins it again", async () => {
    const supervisor = supervise([worker], { "worker-a-1": "hang" });
    await supervisor.start();
    await until(() => steps().includes("worker-a-1 hang"), "it hangs");
    for (let ms = 0; ms <= limits.aliveTimeoutMs; ms += limits.aliveIntervalMs) {
      clock.turn(limits.aliveIntervalMs);
    }
    await until(() => statusOf(supervisor, "worker-a-1")?.state === "waiting", "it was killed");
    expect(statusOf(supervisor, "worker-a-1")?.restarts).toBe(1);
  });

  it("lets a process load its code for longer than one may hang", async () => {
    const supervisor = supervise([worker], { "worker-a-1": "slow" });
    const started = supervisor.start();
    await until(() => existsSync(journal), "it loads");
    for (let ms = 0; ms <= 3 * limits.aliveTimeoutMs; ms += limits.aliveIntervalMs) {
      clock.turn(limits.aliveIntervalMs);
    }
    writeFileSync(`${journal}.loaded`, "");
    await started;
    expect(statusOf(supervisor, "worker-a-1")?.restarts).toBe(0);
  });

  it("kills nobody where it was the supervisor itself that stood still", async () => {
    const supervisor = supervise([worker]);
    await supervisor.start();
    const { pid } = statusOf(supervisor, "worker-a-1") ?? {};
    clock.jump(10 * limits.aliveTimeoutMs);
    await until(() => steps().length >= 2, "a heartbeat's time has passed");
    expect(statusOf(supervisor, "worker-a-1")).toMatchObject({ pid, state: "running" });
  });
});

describe("renewing the gateways", () => {
  it("takes one after another out of the balancer while it is renewed", async () => {
    const supervisor = supervise([balancer, gateway(1), gateway(2)]);
    await supervisor.start();
    const before = supervisor.snapshot();
    const begun = steps().length;
    await supervisor.rollGateways();
    expect(steps().slice(begun)).toEqual(
      ["gateway-1", "gateway-2"].flatMap((name) => [
        `balancer pause:${name}`,
        `${name} drain`,
        `${name} begin`,
        `${name} ready`,
        `balancer resume:${name}`,
      ]),
    );
    const pids = (statuses: typeof before) => statuses.map(({ pid }) => pid);
    expect(pids(supervisor.snapshot())[0]).toBe(pids(before)[0]);
    expect(pids(supervisor.snapshot())[1]).not.toBe(pids(before)[1]);
    expect(supervisor.snapshot().map(({ restarts }) => restarts)).toEqual([0, 0, 0]);
  });
});

describe("SIGTERM to a single process", () => {
  const pidOf = (supervisor: Supervisor, name: string) => statusOf(supervisor, name)?.pid;

  it("renews that box alone, out of the balancer's sight", async () => {
    const supervisor = supervise([balancer, gateway(1), gateway(2), worker]);
    await supervisor.start();
    const begun = steps().length;
    const first = pidOf(supervisor, "gateway-1") ?? 0;
    process.kill(first, "SIGTERM");
    await until(() => {
      clock.turn(limits.groupSignalMs);
      return steps().includes("balancer resume:gateway-1");
    }, "the gateway serves again");
    const order = steps().slice(begun);
    expect(order.slice(0, 2)).toEqual(["balancer pause:gateway-1", "gateway-1 drain"]);
    expect(order.filter((step) => step.endsWith(" drain"))).toHaveLength(1);
    expect(pidOf(supervisor, "gateway-1")).not.toBe(first);
  });

  it("begins nothing again where all processes and the supervisor were meant", async () => {
    const supervisor = supervise([balancer, gateway(1), worker]);
    await supervisor.start();
    for (const { pid = 0 } of supervisor.snapshot()) process.kill(pid, "SIGTERM");
    await supervisor.stop();
    clock.turn(limits.groupSignalMs);
    expect(steps().filter((step) => step.endsWith(" drain"))).toEqual([
      "balancer drain",
      "gateway-1 drain",
      "worker-a-1 drain",
    ]);
    expect(steps().filter((step) => step.endsWith(" begin"))).toHaveLength(3);
  });
});

describe("stopping", () => {
  it("stops the balancer first, then the gateways, then the workers, and can be asked twice", async () => {
    const supervisor = supervise([worker, gateway(1), balancer]);
    await supervisor.start();
    await Promise.all([supervisor.stop(), supervisor.stop()]);
    const drains = steps().filter((step) => step.endsWith(" drain"));
    expect(drains).toEqual(["balancer drain", "gateway-1 drain", "worker-a-1 drain"]);
    expect(supervisor.snapshot().every(({ pid }) => pid === undefined)).toBe(true);
  });

  it("works before the start", async () => {
    await supervise([worker]).stop();
  });

  it("kills what does not stop in its time", async () => {
    const supervisor = supervise([worker], { "worker-a-1": "stubborn" });
    await supervisor.start();
    const stopped = supervisor.stop();
    await until(() => steps().includes("worker-a-1 drain"), "it was asked to stop");
    clock.turn(limits.drainMs + limits.killAfterMs);
    await stopped;
    expect(statusOf(supervisor, "worker-a-1")).toMatchObject({ state: "stopped", restarts: 0 });
  });

  it("begins nothing again that was stopped while it waited for its restart", async () => {
    const supervisor = supervise([worker], { "worker-a-1": "crash" });
    await supervisor.start();
    await until(() => statusOf(supervisor, "worker-a-1")?.state === "waiting", "it has crashed");
    await supervisor.stop();
    clock.turn(limits.restartDelayMaxMs);
    expect(statusOf(supervisor, "worker-a-1")).toMatchObject({ state: "stopped", pid: undefined });
  });
});

describe("orphans", () => {
  it("a process whose supervisor is killed ends by itself", async () => {
    const parent = fileURLToPath(new URL("./support/supervising-process.mjs", import.meta.url));
    const process_: ChildProcess = spawn(process.execPath, [parent], {
      env: { ...process.env, BOX_JOURNAL: journal, BOX_MODULE: boxModule },
      stdio: "inherit",
    });
    await until(() => {
      try {
        return steps().includes("worker-a-1 ready");
      } catch {
        return false;
      }
    }, "the worker is ready");
    process_.kill("SIGKILL");
    await until(() => steps().includes("worker-a-1 orphan"), "the worker has noticed");
    const pid = Number(lines()[0]?.split(" ")[2]);
    await until(() => !isRunning(pid), "the worker has ended");
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
