import type { SettingName } from "../runtime/settings.ts";
import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

const settingNames: readonly SettingName[] = [
  "gateways",
  "workers",
  "port",
  "host",
  "adminPort",
  "adminHost",
  "data",
  "auth",
  "logLevel",
  "logFormat",
];

interface Options {
  readonly only?: string;
  readonly printConfig?: boolean;
}

/** `millrace start app.ts` */
export const define: DefineCommand = (command) => {
  describe(
    command.argument("<app>", "the application's file"),
    "Runs an application as supervised processes.",
    [
      "start app.ts",
      "start app.ts --gateways 4 --workers timelines=2",
      "start app.ts --only worker:timelines",
      "start app.ts --only balancer,admin",
      "start app.ts --print-config",
    ],
  );
  addConfigOptions(command, settingNames)
    .option("--only <boxes>", "run only gateway, balancer, admin, worker, or worker:NAME, ...")
    .option("--print-config", "show each setting and where it came from, and run nothing");
  runs<Options>(command, async ({ args, options, output }) => {
    const [app = ""] = args;
    const flags = flagsOf(options, settingNames);
    if (options.printConfig) {
      const { printConfig } = await import("./print-config.ts");
      return printConfig(flags, output);
    }
    const { runStart } = await import("./run-start.ts");
    return await runStart({ app, flags, only: options.only, output });
  });
};
