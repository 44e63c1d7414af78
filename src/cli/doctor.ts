import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

/** `millrace doctor [app.ts]` */
export const define: DefineCommand = (command) => {
  const names = ["data", "port", "host"] as const;
  addConfigOptions(command.argument("[app]", "the application's file, to look at it, too"), names);
  describe(command, "Looks for everything that could be wrong on this computer.", [
    "doctor",
    "doctor app.ts --json",
  ]);
  runs(command, async ({ args, options, output }) => {
    const { runDoctor } = await import("./run-doctor.ts");
    return await runDoctor({ app: args[0], flags: flagsOf(options, names), output });
  });
};
