import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Ceiling } from "../measure/ceiling.ts";
import { drainRate } from "../measure/drain.ts";
import { residentBytes } from "../measure/processes.ts";
import { mean } from "../measure/statistics.ts";
import { FilledQueue } from "../systems/filled-queue.ts";
import { type AppName, startMillrace } from "../systems/millrace.ts";
import { newFolder } from "../systems/place.ts";
import type { Context, Figures, Scenario } from "./scenario.ts";

const appendBatch = 256;
const appendSeconds = 3;
const drainSeconds = 8;
/** What a stage has at least for its workers to drain. */
const drainedEvents = 300_000;

/** One folder whose queue grows from stage to stage; the workers begin anew in each. */
async function run({ pace, ceiling, say }: Context): Promise<Figures> {
  const { backlogEvents, parkedKeys } = pace;
  const folder = newFolder("q");
  const figures: Record<string, number> = { backlogEvents, parkedKeys };
  const note = (stage: string, found: Figures) => {
    for (const [name, value] of Object.entries(found)) figures[`${stage} ${name}`] = value;
    say(`${stage}: ${textOf(found)}`);
  };
  try {
    const stages = { empty: 0, tenth: backlogEvents / 10, fullest: backlogEvents };
    let stored = 0;
    for (const [stage, events] of Object.entries(stages)) {
      const { count, ...appended } = await append(folder.path, stored, events, ceiling);
      stored = count;
      rmSync(join(folder.path, "workers"), { recursive: true, force: true });
      const drained = await drain(folder.path, "light", stored, ceiling);
      note(stage, { stored, ...appended, ...drained });
    }
  } finally {
    folder.remove();
  }
  note("parked", await drainBehindParked(parkedKeys, ceiling));
  return figures;
}

/** Brings a queue to so many events, and measures how fast more are appended to it. */
async function append(data: string, stored: number, events: number, ceiling: Ceiling) {
  await using queue = await FilledQueue.open(data, stored);
  await queue.fillTo(events);
  const { turns, machine } = await ceiling.beside(1, () =>
    queue.appendRate(appendBatch, appendSeconds),
  );
  const appendPerSecond = mean(turns);
  await queue.fillTo(drainedEvents);
  return {
    count: queue.count,
    appendPerSecond,
    "append ofMachine": appendPerSecond / machine,
  };
}

async function drain(
  data: string,
  app: AppName | URL,
  stored: number,
  ceiling: Ceiling,
): Promise<Figures> {
  const { turns, machine } = await ceiling.beside(1, async () => {
    await using system = await startMillrace({ app, data });
    const drainPerSecond = await drainRate(system, stored, drainSeconds);
    const { readyMs } = system;
    return { drainPerSecond, readyMs, residentBytes: residentBytes(system.usage()) };
  });
  const [found] = turns;
  return { ...found, "drain ofMachine": (found?.drainPerSecond ?? Number.NaN) / machine };
}

/** The events to drain come behind as many that have parked their keys. */
async function drainBehindParked(keys: number, ceiling: Ceiling): Promise<Figures> {
  const folder = newFolder("q");
  try {
    {
      await using queue = await FilledQueue.open(folder.path);
      await queue.park(keys);
      await queue.fillTo(drainedEvents);
    }
    return await drain(
      folder.path,
      new URL("../apps/parking.ts", import.meta.url),
      drainedEvents,
      ceiling,
    );
  } finally {
    folder.remove();
  }
}

function textOf({ stored, appendPerSecond, drainPerSecond, readyMs, residentBytes }: Figures) {
  const rate = (value = 0) => Math.round(value).toLocaleString("en");
  return [
    ...(stored === undefined ? [] : [`${rate(stored)} stored, append ${rate(appendPerSecond)}/s`]),
    `drain ${rate(drainPerSecond)}/s`,
    `answers after ${((readyMs ?? 0) / 1_000).toFixed(1)} s`,
    `${((residentBytes ?? 0) / 1e6).toFixed(0)} MB`,
  ].join(", ");
}

export const backlogScenario: Scenario = {
  id: "5",
  title: "append and drain rates with a backlog, and with parked keys",
  once: true,
  fullOnly: true,
  run,
};
