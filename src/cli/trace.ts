import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

/** `millrace trace ID` */
export const define: DefineCommand = (command) => {
  addConfigOptions(command.argument("<id>", "an event's id, or a trace's"), ["data"]);
  describe(command, "Shows the hops of one event, by number and name, with waits and durations.", [
    "trace 01a20ae5-87f3-728a-90df-1572b13cee82",
    "trace 01a20ae5-87f3-728a-90df-1572b13cee82 --json",
  ]);
  runs(command, async ({ args, options, output }) => {
    const { runTrace } = await import("./run-trace.ts");
    return await runTrace({ id: args[0] ?? "", flags: flagsOf(options, ["data"]), output });
  });
};
