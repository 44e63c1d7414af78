import { setTimeout as sleep } from "node:timers/promises";
import { packageSize, treeSize } from "../measure/package-size.ts";
import { cpuBetween, residentBytes, sharedBytes } from "../measure/processes.ts";
import { startMillrace } from "../systems/millrace.ts";
import type { Context, Figures, Scenario } from "./scenario.ts";

/** What a start leaves to do, compiling and collecting most of all, is not rest yet. */
const settleMs = 12_000;
const restMs = 10_000;

/** What a system costs that nobody asks for anything. */
async function atRest(command: "start" | "dev"): Promise<Figures> {
  await using system = await startMillrace({ app: "light", command, through: "balancer" });
  const firstAcceptedMs = system.readyMs + (await publishOne(system.port));
  await sleep(settleMs);
  const before = system.usage();
  await sleep(restMs);
  const after = system.usage();
  const used = [...cpuBetween(before, after).values()].reduce((sum, us) => sum + us, 0);
  return {
    idleCpu: used / (restMs * 1_000),
    residentBytes: residentBytes(after),
    sharedBytes: sharedBytes(after),
    firstAcceptedMs,
  };
}

async function publishOne(port: number): Promise<number> {
  const started = performance.now();
  const answer = await fetch(`http://127.0.0.1:${port}/events/note.posted`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ key: "u001", n: 0, at: 0, text: "note" }),
  });
  if (answer.status !== 202) throw new Error(`The first event was answered with ${answer.status}.`);
  return performance.now() - started;
}

async function run({ say }: Context): Promise<Figures> {
  const start = await atRest("start");
  const dev = await atRest("dev");
  const { bytes: packageBytes, unpackedBytes, files } = packageSize();
  const { bytes: treeBytes, packages } = treeSize();
  const megabytes = (bytes = 0) => `${(bytes / 1e6).toFixed(1)} MB`;
  for (const [name, found] of Object.entries({ start, dev })) {
    const cpu = `${((found.idleCpu ?? 0) * 100).toFixed(1)}% of a core`;
    const memory = `${megabytes(found.sharedBytes)} (${megabytes(found.residentBytes)} with shared pages in each process)`;
    const first = `first event accepted after ${((found.firstAcceptedMs ?? 0) / 1_000).toFixed(2)} s`;
    say(`${name}: ${cpu}, ${memory}, ${first}`);
  }
  say(`package ${megabytes(packageBytes)}, tree of ${packages} packages ${megabytes(treeBytes)}`);
  return {
    idleCpu: start.idleCpu ?? Number.NaN,
    startBytes: start.sharedBytes ?? Number.NaN,
    startResidentBytes: start.residentBytes ?? Number.NaN,
    firstAcceptedMs: start.firstAcceptedMs ?? Number.NaN,
    devIdleCpu: dev.idleCpu ?? Number.NaN,
    devBytes: dev.sharedBytes ?? Number.NaN,
    devResidentBytes: dev.residentBytes ?? Number.NaN,
    devFirstAcceptedMs: dev.firstAcceptedMs ?? Number.NaN,
    packageBytes,
    unpackedBytes,
    files,
    treeBytes,
    packages,
  };
}

export const restScenario: Scenario = {
  id: "6",
  title: "cost at rest: processor and memory of an idle system, start, size of the package",
  once: true,
  fullOnly: true,
  run,
};
