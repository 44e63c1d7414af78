import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { drainRate } from "../measure/drain.ts";
import { mean } from "../measure/statistics.ts";
import { FilledQueue } from "../systems/filled-queue.ts";
import { startMillrace } from "../systems/millrace.ts";
import { newFolder } from "../systems/place.ts";
import { startProgram } from "../systems/process.ts";
import type { Context, Figures, Scenario } from "./scenario.ts";

const command = fileURLToPath(new URL("../../bin/millrace.mjs", import.meta.url));
const app = fileURLToPath(new URL("../apps/light.ts", import.meta.url));

async function run({ pace, ceiling, say }: Context): Promise<Figures> {
  const events = pace.replayedEvents;
  const folder = newFolder("r");
  try {
    {
      await using queue = await FilledQueue.open(folder.path);
      await queue.fillTo(events);
    }
    await using system = await startMillrace({ app: "light", data: folder.path });
    await drainRate(system, events, 600);
    const { turns, machine } = await ceiling.beside(pace.turns, () => replay(folder.path));
    const perSecond = (events * 1_000) / mean(turns);
    say(`${Math.round(perSecond).toLocaleString("en")} events/s`);
    return { perSecond, ofMachine: perSecond / machine, events };
  } finally {
    folder.remove();
  }
}

/** `millrace replay` beside the running system: from the command's start to its end. */
async function replay(data: string): Promise<number> {
  const startedAt = performance.now();
  const parameters = ["replay", "a", "--from", "start", "--app", app, "--yes"];
  const program = startProgram(process.execPath, [command, ...parameters], {
    environment: { ...process.env, MILLRACE_DATA: data },
  });
  const [status] = await once(program.child, "exit");
  if (status !== 0) throw new Error(`The replay ended with ${status}:\n${program.output()}`);
  return performance.now() - startedAt;
}

export const replayScenario: Scenario = {
  id: "8",
  title: "replay of a worker from the start of the queue, beside the running system",
  run,
};
