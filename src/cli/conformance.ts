import { type DefineCommand, describe, runs } from "./command.ts";

export interface ConformanceCommandOptions {
  readonly queue?: string;
  readonly database?: string;
  readonly cache?: string;
  readonly events?: string;
  readonly keys: string;
  readonly each: string;
  readonly patience: string;
}

/** `millrace conformance app.ts --queue nats://…` */
export const define: DefineCommand = (command) => {
  command
    .argument("<app>", "the application's file")
    .option("--queue <url>", "the queue to try: nats://… or postgres://…")
    .option("--database <url>", "the workers' databases to try: postgres://…")
    .option("--cache <url>", "the cache to try: redis://…")
    .option("--events <file>", "publish these, one JSON object a line; else events of all types")
    .option("--keys <number>", "without --events: under how many keys", "4")
    .option("--each <number>", "without --events: how many of each type under each key", "3")
    .option("--patience <seconds>", "how long it may take until all is handled", "60");
  describe(
    command,
    "Runs an application with the same events on the embedded engines and on the ones named here, and\ncompares what comes of them: the effects in every table, the order of each key, follow-ups, dead\nletters and answers. It fails where something differs. Each run has a temporary folder, and on the\nservers a stream, schemas and keys of its own, which are removed; nothing else is touched.",
    [
      "conformance app.ts --queue 'nats://127.0.0.1:4222?monitor=8222'",
      "conformance app.ts --database postgres://127.0.0.1/shop --cache redis://127.0.0.1:6379",
      "conformance app.ts --database postgres://127.0.0.1/shop --events events.ndjson --json",
    ],
  );
  runs<ConformanceCommandOptions>(command, async ({ args, options, output }) => {
    const { runConformance } = await import("./run-conformance.ts");
    return await runConformance({ ...options, app: args[0] ?? "", output });
  });
};
