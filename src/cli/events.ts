import type { Command } from "commander";
import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

/** `millrace events …` */
export const define: DefineCommand = (command) => {
  publish(command.command("publish").summary("publish an event to the running system"));
  cancel(command.command("cancel").summary("cancel an event before its time of delivery"));
  show(command.command("show").summary("show where an event stands at each worker"));
  list(command.command("list").summary("list the newest events of the queue"));
  tail(command.command("tail").summary("follow the queue"));
};

function publish(command: Command): void {
  command
    .argument("<type>", "the event's type")
    .argument("<data>", "its data as JSON; - reads stdin, @file reads a file")
    .option("--url <url>", "where the system is (MILLRACE_URL)")
    .option("--idempotency-key <key>", "repeating the command with the same key publishes nothing")
    .option("--at <time>", "deliver it then: in 90s, 10m, 2h, 7d, or at a time of RFC 3339")
    .option("--wait <seconds>", "wait until every worker has applied it");
  describe(command, "Publishes an event to the running system.", [
    `events publish post.published '{"author":"ada","text":"hello"}'`,
    "events publish post.published @post.json --wait 5",
    "events publish reminder.due @reminder.json --at 2h",
    "generate | millrace events publish post.published -",
  ]);
  runs<{ url?: string; idempotencyKey?: string; at?: string; wait?: string }>(
    command,
    async (call) => {
      const { runPublish } = await import("./events-publish.ts");
      const [type = "", data = ""] = call.args;
      return await runPublish({ ...call.options, type, data, output: call.output });
    },
  );
}

function cancel(command: Command): void {
  command
    .argument("<id>", "the event's id")
    .option("--url <url>", "where the system is (MILLRACE_URL)")
    .option("--source <source>", "whose id it is, where several sources used it");
  describe(command, "Cancels an event whose time of delivery is still to come.", [
    "events cancel 01a20ae5-87f3-728a-90df-1572b13cee82",
  ]);
  runs<{ url?: string; source?: string }>(command, async (call) => {
    const { runCancel } = await import("./events-cancel.ts");
    return await runCancel({ ...call.options, id: call.args[0] ?? "", output: call.output });
  });
}

function show(command: Command): void {
  command
    .argument("<id>", "the event's id")
    .option("--url <url>", "where the system is (MILLRACE_URL)")
    .option("--source <source>", "whose id it is, where several sources used it");
  describe(command, "Shows where an event stands at each worker.", [
    "events show 01a20ae5-87f3-728a-90df-1572b13cee82",
  ]);
  runs<{ url?: string; source?: string }>(command, async (call) => {
    const { runShow } = await import("./events-show.ts");
    return await runShow({ ...call.options, id: call.args[0] ?? "", output: call.output });
  });
}

interface FilterOptions {
  readonly type?: string;
  readonly key?: string;
  readonly since?: string;
  readonly limit?: string;
}

const addFilters = (command: Command): Command =>
  addConfigOptions(command, ["data"])
    .option("--type <type>", "only events of this type")
    .option("--key <key>", "only events with this key");

function list(command: Command): void {
  addFilters(command)
    .option("--since <time>", "from a time on: 10m, 2h, 7d, or RFC 3339")
    .option("--limit <number>", "how many at most", "20");
  describe(command, "Lists the newest events of the queue, the newest last.", [
    "events list --type post.published --limit 5",
    "events list --key ada --since 2h --json",
  ]);
  runs<FilterOptions>(command, async ({ options, output }) => {
    const { runList } = await import("./events-list.ts");
    return await runList({ ...options, flags: flagsOf(options, ["data"]), output });
  });
}

function tail(command: Command): void {
  addFilters(command).option("--since <time>", "begin in the past: 10m, 2h, 7d, or RFC 3339");
  describe(command, "Follows the queue until Ctrl-C: a line for each event.", [
    "events tail",
    "events tail --type post.published --json",
  ]);
  runs<FilterOptions>(command, async ({ options, output }) => {
    const { runTail } = await import("./events-tail.ts");
    return await runTail({ ...options, flags: flagsOf(options, ["data"]), output });
  });
}
