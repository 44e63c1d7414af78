import type { Command } from "commander";
import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

/** `millrace queue …` */
export const define: DefineCommand = (command) => {
  const status = command.command("status").summary("how far each worker is, and what waits");
  addConfigOptions(status, ["data"])
    .option("--worker <name>", "only this worker")
    .option("--partitions", "a line for each partition");
  describe(
    status,
    "Shows how far each worker is behind the queue's end, and what waits in lines.",
    ["queue status", "queue status --worker timelines --partitions", "queue status --json"],
  );
  runs<{ worker?: string; partitions?: boolean }>(status, async ({ options, output }) => {
    const { tellStatus } = await import("./run-queue-status.ts");
    return await tellStatus({ ...options, flags: flagsOf(options, ["data"]), output });
  });

  steer(
    command.command("pause").summary("stop a worker, or some of its partitions"),
    "Stops a worker, parked events included, until it is resumed; a restart changes nothing of it.",
    true,
  );
  steer(
    command.command("resume").summary("let a paused worker go on"),
    "Lets a paused worker, or some of its partitions, go on.",
    false,
  );

  const skip = command.command("skip").summary("pass over events; they become dead letters");
  addConfigOptions(skip.argument("<worker>", "the worker's name"), ["data"])
    .option("--partition <number>", "the partition whose next events are passed over")
    .option("--events <number>", "how many of them", "1")
    .option("--key <key>", "instead: the key whose oldest parked event is passed over");
  describe(
    skip,
    "Passes over the next events of a partition, or the head of a parked key. Nothing is lost: they\nbecome dead letters.",
    ["queue skip timelines --key ada", "queue skip timelines --partition 7 --events 3"],
  );
  runs<{ partition?: string; events: string; key?: string }>(skip, async (call) => {
    const { skipEvents } = await import("./run-queue.ts");
    const { args, options, output } = call;
    const flags = flagsOf(options, ["data"]);
    return await skipEvents({ ...options, worker: args[0] ?? "", flags, output });
  });
};

function steer(command: Command, what: string, isPaused: boolean): void {
  addConfigOptions(command.argument("<worker>", "the worker's name"), ["data"]).option(
    "--partition <numbers>",
    "only these partitions, by comma",
  );
  describe(command, what, [
    `queue ${command.name()} timelines`,
    `queue ${command.name()} timelines --partition 3,7`,
  ]);
  runs<{ partition?: string }>(command, async ({ args, options, output }) => {
    const { setPaused } = await import("./run-queue.ts");
    const flags = flagsOf(options, ["data"]);
    return await setPaused({ ...options, worker: args[0] ?? "", isPaused, flags, output });
  });
}
