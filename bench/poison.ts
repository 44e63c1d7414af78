/**
 * What poison events cost others: the time from publishing to "applied" on keys that have nothing
 * to do with them, without poison and with each kind of it, in one run on one system.
 *
 *     npm run bench:poison
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startSystem } from "../examples/running-system.ts";
import { Histogram, latencyOf } from "./measure/histogram.ts";

type Kind = "good" | "throw" | "hang" | "exit" | "loop";

const secondsPerPhase = 10;
const goodPerSecond = 50;
/** Poison events a second, by kind: those that end or block a process are rarer in life, too. */
const phases: readonly {
  readonly name: string;
  readonly poison: Kind;
  readonly perSecond: number;
}[] = [
  { name: "no poison", poison: "good", perSecond: 0 },
  { name: "throwing", poison: "throw", perSecond: 50 },
  { name: "hanging 100 ms", poison: "hang", perSecond: 1 },
  { name: "ending the process", poison: "exit", perSecond: 0.2 },
  { name: "looping endlessly", poison: "loop", perSecond: 0.2 },
];

const app = fileURLToPath(new URL("../test/whole-picture/poison-app.ts", import.meta.url));
const system = await startSystem(app, {
  readyPaths: ["/readyz"],
  environment: { MILLRACE_HANG_MS: "2000", MILLRACE_LOG_LEVEL: "error" },
});

async function publish(key: string, kind: Kind, waitSeconds?: number): Promise<number> {
  const started = performance.now();
  const response = await fetch(`${system.url}/events/task.given`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` }),
    },
    body: JSON.stringify({ key, kind }),
  });
  await response.arrayBuffer();
  return performance.now() - started;
}

/** Publishes at a steady pace, whatever the answers take. */
async function paced(perSecond: number, task: (at: number) => Promise<unknown>): Promise<void> {
  const running: Promise<unknown>[] = [];
  const started = performance.now();
  const count = Math.floor(perSecond * secondsPerPhase);
  for (let at = 0; at < count; at++) {
    await sleep(Math.max(0, started + (at * 1_000) / perSecond - performance.now()));
    running.push(task(at));
  }
  await Promise.all(running);
}

try {
  for (let at = 0; at < 200; at++) await publish(`warm-${at % 10}`, "good", 5);
  let normal: number | undefined;
  console.log("others' time to applied, ms      p50     p99   p99 to normal");
  for (const { name, poison, perSecond } of phases) {
    const times = new Histogram();
    await Promise.all([
      paced(goodPerSecond, async (at) => {
        times.add((await publish(`calm-${at % 13}`, "good", 30)) * 1_000);
      }),
      paced(perSecond, (at) => publish(`poisoned-${at % 17}`, poison)),
    ]);
    const { p50, p99 } = latencyOf(times);
    normal ??= p99;
    const cells = [p50.toFixed(1), p99.toFixed(1), (p99 / normal).toFixed(2)];
    console.log(
      `${name.padEnd(28)}${cells[0]?.padStart(8)}${cells[1]?.padStart(8)}${cells[2]?.padStart(16)}`,
    );
  }
} finally {
  await system.stop();
}
