import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

/** `millrace audit` */
export const define: DefineCommand = (command) => {
  addConfigOptions(command, ["data"])
    .option("--worker <name>", "only at this worker")
    .option("--limit <number>", "how many of each worker at most", "20");
  describe(
    command,
    "Lists what people have changed by hand, here and on the admin port: dead letters that they\nretried, edited or discarded, what they paused or passed over, and replays.",
    ["audit", "audit --worker timelines --limit 100 --json"],
  );
  runs<{ worker?: string; limit: string }>(command, async ({ options, output }) => {
    const { listDeeds } = await import("./run-audit.ts");
    return await listDeeds({ ...options, flags: flagsOf(options, ["data"]), output });
  });
};
