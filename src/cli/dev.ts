import type { SettingName } from "../runtime/settings.ts";
import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

const settingNames: readonly SettingName[] = [
  "port",
  "host",
  "adminPort",
  "adminHost",
  "data",
  "auth",
  "logLevel",
];

/** `millrace dev app.ts` */
export const define: DefineCommand = (command) => {
  describe(
    command.argument("<app>", "the application's file"),
    "Runs the whole picture in one process, and again whenever the application changes.",
    ["dev app.ts", "dev app.ts --port 9000"],
  );
  addConfigOptions(command, settingNames).option(
    "--print-config",
    "show each setting and where it came from, and run nothing",
  );
  runs<{ printConfig?: boolean }>(command, async ({ args, options, output }) => {
    const flags = flagsOf(options, settingNames);
    if (options.printConfig) {
      const { printConfig } = await import("./print-config.ts");
      return printConfig(flags, output);
    }
    const { runDev } = await import("./run-dev.ts");
    return await runDev({ app: args[0] ?? "", flags, output });
  });
};
