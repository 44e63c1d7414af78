import { fileURLToPath } from "node:url";
import { drainRate } from "../measure/drain.ts";
import { FilledQueue } from "../systems/filled-queue.ts";
import { startMillrace } from "../systems/millrace.ts";
import { newFolder } from "../systems/place.ts";
import { startProgram } from "../systems/process.ts";
import type { Context, Figures, Scenario } from "./scenario.ts";

const command = fileURLToPath(new URL("../../bin/millrace.mjs", import.meta.url));
const app = fileURLToPath(new URL("../apps/light.ts", import.meta.url));

/** `millrace replay` beside the running system, from the command's start to its end. */
async function run({ pace, say }: Context): Promise<Figures> {
  const events = pace.replayedEvents;
  const folder = newFolder("r");
  try {
    {
      await using queue = await FilledQueue.open(folder.path);
      await queue.fillTo(events);
    }
    await using system = await startMillrace({ app: "light", data: folder.path });
    await drainRate(system, events, 600);
    const started = performance.now();
    const parameters = ["replay", "a", "--from", "start", "--app", app, "--yes"];
    const replay = startProgram(process.execPath, [command, ...parameters], {
      environment: { ...process.env, MILLRACE_DATA: folder.path },
    });
    const ended = new Promise<number | null>((resolve) => replay.child.once("exit", resolve));
    const status = await ended;
    if (status !== 0) throw new Error(`The replay ended with ${status}:\n${replay.output()}`);
    const perSecond = (events * 1_000) / (performance.now() - started);
    say(`${Math.round(perSecond).toLocaleString("en")} events/s`);
    return { perSecond, events };
  } finally {
    folder.remove();
  }
}

export const replayScenario: Scenario = {
  id: "8",
  title: "replay of a worker from the start of the queue, beside the running system",
  run,
};
