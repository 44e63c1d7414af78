import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

export interface ReplayOptions {
  readonly from?: string;
  readonly types?: string;
  readonly keys?: string;
  readonly app?: string;
  readonly inPlace?: boolean;
  readonly repeatEffects?: boolean;
  readonly yes?: boolean;
}

/** `millrace replay <worker>` */
export const define: DefineCommand = (command) => {
  addConfigOptions(command.argument("<worker>", "the worker's name"), ["data"])
    .option("--from <where>", "start, a time (2h, 7d, RFC 3339), or an event's place (7:120)")
    .option("--types <types>", "only events of these types, by comma")
    .option("--keys <keys>", "only events with these keys, by comma")
    .option("--app <file>", "the application's file, to rebuild with")
    .option("--in-place", "handle the events again in the database that the worker has")
    .option("--repeat-effects", "with --in-place: their effects may happen once more")
    .option("--yes", "do not ask");
  describe(
    command,
    "Rebuilds a worker's database from the queue, beside the running worker, and puts it in the\nplace of the old one at the end. Nothing is emitted again.",
    [
      "replay timelines --from start --app app.ts",
      "replay timelines --from 2h --types post.published --in-place --repeat-effects",
    ],
  );
  runs<ReplayOptions>(command, async ({ args, options, output }) => {
    const { runReplay } = await import("./run-replay.ts");
    const flags = flagsOf(options, ["data"]);
    return await runReplay({ ...options, worker: args[0] ?? "", flags, output });
  });
};
