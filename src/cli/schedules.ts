import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

/** `millrace schedules` */
export const define: DefineCommand = (command) => {
  addConfigOptions(command, ["data"]).option("--worker <name>", "only this worker");
  describe(
    command,
    "Lists the recurring events of all workers: when each came last and comes next.",
    ["schedules", "schedules --worker reports --json"],
  );
  runs<{ worker?: string }>(command, async ({ options, output }) => {
    const { listSchedules } = await import("./run-schedules.ts");
    return await listSchedules({ ...options, flags: flagsOf(options, ["data"]), output });
  });
};
