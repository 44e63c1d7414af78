import type { Command } from "commander";
import { type DefineCommand, describe, runs } from "./command.ts";
import { addConfigOptions, flagsOf } from "./config-options.ts";

/** `millrace dead-letters …` */
export const define: DefineCommand = (command) => {
  list(command.command("list").summary("list dead letters, or their mistakes with --group"));
  show(command.command("show").summary("show one with its error and its attempts"));
  retry(command.command("retry").summary("hand dead letters to their handlers again"));
  edit(command.command("edit").summary("replace the data of one"));
  discard(command.command("discard").summary("forget dead letters for ever"));
  exported(command.command("export").summary("write dead letters as lines of JSON"));
};

/** The options by which all of these choose. */
export interface ChoiceOptions {
  readonly worker?: string;
  readonly type?: string;
  readonly key?: string;
  readonly fingerprint?: string;
  readonly since?: string;
  readonly until?: string;
}

const addChoice = (command: Command): Command =>
  addConfigOptions(command, ["data"])
    .option("--worker <name>", "only this worker's")
    .option("--type <type>", "only events of this type")
    .option("--key <key>", "only events with this key")
    .option("--fingerprint <fingerprint>", "only this mistake, as `list --group` tells it")
    .option("--since <time>", "died since: 10m, 2h, 7d, or RFC 3339")
    .option("--until <time>", "died before: 10m, 2h, 7d, or RFC 3339");

function list(command: Command): void {
  addChoice(command)
    .option("--group", "the same mistakes together, the most frequent first")
    .option("--limit <number>", "how many at most", "20");
  describe(command, "Lists the events that workers gave up on, in their order.", [
    "dead-letters list",
    "dead-letters list --group",
    "dead-letters list --worker timelines --since 2h --json",
  ]);
  runs<ChoiceOptions & { group?: boolean; limit: string }>(command, async (call) => {
    const { listDeadLetters } = await import("./run-dead-letters.ts");
    const { options, output } = call;
    return await listDeadLetters({ ...options, flags: flagsOf(options, ["data"]), output });
  });
}

function show(command: Command): void {
  addChoice(command.argument("<id>", "the event's id"));
  describe(command, "Shows a dead letter: its data, its error with its causes, its attempts.", [
    "dead-letters show 01a20ae5-87f3-728a-90df-1572b13cee82",
  ]);
  runs<ChoiceOptions>(command, async ({ args, options, output }) => {
    const { showDeadLetter } = await import("./run-dead-letters.ts");
    const flags = flagsOf(options, ["data"]);
    return await showDeadLetter({ ...options, id: args[0] ?? "", flags, output });
  });
}

function retry(command: Command): void {
  addBulk(addChoice(command.argument("[id]", "the event's id; else all that are chosen")))
    .option("--dry-run", "run the handler in a transaction that is rolled back (needs --app)")
    .option("--app <file>", "the application's file");
  describe(
    command,
    [
      "Hands dead letters to their handlers again, with all attempts anew. Each stands in the order",
      "of its key: before what waits there. A dry run does for real what the handler does outside",
      "of its database.",
    ].join("\n"),
    [
      "dead-letters retry 01a20ae5-87f3-728a-90df-1572b13cee82",
      "dead-letters retry 01a20ae5-87f3-728a-90df-1572b13cee82 --dry-run --app app.ts",
      "dead-letters retry --fingerprint 3f9a0c1d2e4b5a69 --rate 100 --yes",
    ],
  );
  runs<ChoiceOptions & BulkOptions & { dryRun?: boolean; app?: string }>(command, async (call) => {
    const { args, options, output } = call;
    const given = { ...options, id: args[0], flags: flagsOf(options, ["data"]), output };
    if (options.dryRun === true) {
      const { dryRunDeadLetter } = await import("./run-dead-letters-dry.ts");
      return await dryRunDeadLetter(given);
    }
    const { retryDeadLetters } = await import("./run-dead-letters.ts");
    return await retryDeadLetters(given);
  });
}

function edit(command: Command): void {
  addChoice(command.argument("<id>", "the event's id").argument("<data>", "its new data as JSON"))
    .requiredOption("--app <file>", "the application's file: its schema checks the data")
    .option("--retry", "retry it at once");
  describe(command, "Replaces the data of a dead letter, checked by the event's schema.", [
    `dead-letters edit 01a20ae5-87f3-728a-90df-1572b13cee82 '{"author":"ada"}' --app app.ts --retry`,
  ]);
  runs<ChoiceOptions & { app: string; retry?: boolean }>(command, async (call) => {
    const { args, options, output } = call;
    const { editDeadLetter } = await import("./run-dead-letters-dry.ts");
    const [id = "", data = ""] = args;
    const flags = flagsOf(options, ["data"]);
    return await editDeadLetter({ ...options, id, data, flags, output });
  });
}

function discard(command: Command): void {
  addBulk(addChoice(command.argument("[id]", "the event's id; else all that are chosen")));
  describe(command, "Forgets dead letters for ever; what waited behind them goes on.", [
    "dead-letters discard 01a20ae5-87f3-728a-90df-1572b13cee82",
    "dead-letters discard --type post.published --until 30d --yes",
    "dead-letters discard --all",
  ]);
  runs<ChoiceOptions & BulkOptions>(command, async ({ args, options, output }) => {
    const { discardDeadLetters } = await import("./run-dead-letters.ts");
    const flags = flagsOf(options, ["data"]);
    return await discardDeadLetters({ ...options, id: args[0], flags, output });
  });
}

function exported(command: Command): void {
  addChoice(command);
  describe(command, "Writes dead letters with all their data, one a line, as JSON.", [
    "dead-letters export > dead-letters.ndjson",
  ]);
  runs<ChoiceOptions>(command, async ({ options, output }) => {
    const { exportDeadLetters } = await import("./run-dead-letters.ts");
    return await exportDeadLetters({ ...options, flags: flagsOf(options, ["data"]), output });
  });
}

/** For what changes many at once. */
export interface BulkOptions {
  readonly all?: boolean;
  readonly rate?: string;
  readonly yes?: boolean;
}

const addBulk = (command: Command): Command =>
  command
    .option("--all", "all that there are, where nothing else chooses")
    .option("--rate <number>", "how many a second at most")
    .option("--yes", "do it without asking");
