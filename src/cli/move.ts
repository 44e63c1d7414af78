import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

export interface MoveOptions {
  readonly to?: string;
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly reopen?: boolean;
}

/** `millrace move app.ts --to nats://…,postgres://…` */
export const define: DefineCommand = (command) => {
  addConfigOptions(command.argument("<app>", "the application's file"), ["data"])
    .option("--to <addresses>", "the new queue and databases, by comma; one address for both")
    .option("--from <addresses>", "where it is; else MILLRACE_QUEUE and MILLRACE_DATABASE")
    .option("--dry-run", "only say what would be moved")
    .option("--reopen", "open the queue again that a move away has closed, and move nothing");
  describe(
    command,
    "Takes a stopped system to other engines: events, positions, parked keys, dead letters, timers,\nids and the application's tables, in the order of each key. The source stays as it is, closed.\nA move that was broken off is called again and goes on; until it is done, nothing starts there.",
    [
      "move app.ts --to nats://one:4222,two:4222,three:4222,postgres://db/shop",
      "move app.ts --to postgres://db/shop --dry-run",
      "move app.ts --from nats://one:4222,postgres://db/shop --to sqlite: --data back",
    ],
  );
  runs<MoveOptions>(command, async ({ args, options, output }) => {
    const { runMove } = await import("./run-move.ts");
    const flags = flagsOf(options, ["data"]);
    return await runMove({ ...options, app: args[0] ?? "", flags, output });
  });
};
