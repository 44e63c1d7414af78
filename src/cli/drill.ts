import { drillTargets, serverFaults } from "../drill/targets.ts";
import { type DefineCommand, describe, runs } from "./command.ts";

export interface DrillCommandOptions {
  readonly rate: string;
  readonly seconds: string;
  readonly hold: string;
  readonly patience: string;
  readonly faults?: string;
  readonly engine?: string;
  readonly app?: string;
  readonly type?: string;
  readonly effects?: readonly string[];
  readonly gateways: string;
  readonly workers?: string;
  readonly attach?: string;
  readonly url?: string;
  readonly yes?: boolean;
  readonly report: string;
}

/** `millrace drill <target>` */
export const define: DefineCommand = (command) => {
  const targets = Object.keys(drillTargets).join(", ");
  const engines = Object.keys(serverFaults).join(", ");
  command
    .argument("<target>", `what to break: ${targets}, or all`)
    .option("--rate <events>", "events a second to publish", "200")
    .option("--seconds <seconds>", "how long; each fault strikes at least once", "20")
    .option("--hold <seconds>", "how long a fault lasts that does not end by itself", "4")
    .option(
      "--patience <seconds>",
      "within this all must be as before a fault, and at the end",
      "30",
    )
    .option("--faults <names>", "only these of the faults below, by comma")
    .option("--engine <names>", `on servers that it starts: ${engines}; by comma`)
    .option("--app <file>", "drill this application; else a small one of the drill's own")
    .option("--type <type>", "with --app: the type of the events to publish; else its first")
    .option(
      "--effects <worker:table.column...>",
      "with --app: where a worker keeps the id of each event, one row for each",
    )
    .option("--gateways <number>", "how many gateways the system gets", "2")
    .option("--workers <name=number,...>", "how many instances each worker gets")
    .option("--attach <folder>", "drill the system that runs on this data folder, on this machine")
    .option("--url <url>", "with --attach: where its API is (MILLRACE_URL)")
    .option("--yes", "with --attach: do not ask")
    .option("--report <folder>", "where the report goes, as JSON and as a page", "drill-report");
  describe(
    command,
    "Breaks parts of a running system while events are published, and says whether a promise was\nbroken: accepted, effects, lost, doubled, out of order. It fails where one was. Without --attach\nit starts a system of its own, on a free port and a temporary folder, and touches nothing else.",
    [
      "drill queue",
      "drill all --rate 500 --seconds 60",
      "drill queue --engine nats",
      "drill worker --app app.ts --type note.written --effects notes:notes.id",
      "drill gateway --attach .millrace --app app.ts",
    ],
  );
  command.addHelpText("after", `\nFaults:\n${faultLines()}\n\nWith --engine:\n${serverLines()}`);
  runs<DrillCommandOptions>(command, async ({ args, options, output }) => {
    const { runDrillCommand } = await import("./run-drill.ts");
    return await runDrillCommand({ ...options, target: args[0] ?? "", output });
  });
};

const faultLines = (): string =>
  Object.entries(drillTargets)
    .flatMap(([target, faults]) => linesOf(target, faults))
    .join("\n");

const serverLines = (): string =>
  Object.entries(serverFaults)
    .flatMap(([engine, { target, faults, says }]) => [
      `  ${engine}: ${says}, for the ${target} drill`,
      ...linesOf(target, faults),
    ])
    .join("\n");

const linesOf = (target: string, faults: Readonly<Record<string, string>>): string[] =>
  Object.entries(faults).map(([name, says]) => `  ${target.padEnd(9)} ${name.padEnd(6)} ${says}`);
