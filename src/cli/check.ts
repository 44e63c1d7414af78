import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

/** `millrace check app.ts` */
export const define: DefineCommand = (command) => {
  addConfigOptions(command.argument("<app>", "the application's file"), ["data"]);
  describe(
    command,
    "Runs the application's schemas and upgrades over every event that is stored, parked, scheduled\nor a dead letter, and lists what it could not read. Fails if there is any: before a deployment.",
    ["check app.ts", "check app.ts --data /srv/shop/data --json"],
  );
  runs<object>(command, async ({ args, options, output }) => {
    const { checkStored } = await import("./run-check.ts");
    const flags = flagsOf(options, ["data"]);
    return await checkStored({ app: args[0] ?? "", flags, output });
  });
};
