import { Command, CommanderError } from "commander";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import { keepAlive } from "../lib/keep-alive.ts";
import { version } from "../lib/version.ts";
import type { DefineCommand } from "./command.ts";
import { Output } from "./output.ts";

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly define: DefineCommand }>;
}

/** Every command by its first word. Only the one that is called is loaded. */
const entries: readonly Entry[] = [
  {
    name: "init",
    summary: "write a small new application that runs",
    load: () => import("./init.ts"),
  },
  {
    name: "dev",
    summary: "run an application in one process, and again whenever it changes",
    load: () => import("./dev.ts"),
  },
  {
    name: "start",
    summary: "run an application as supervised processes",
    load: () => import("./start.ts"),
  },
  {
    name: "events",
    summary: "publish, show, list and follow events",
    load: () => import("./events.ts"),
  },
  {
    name: "trace",
    summary: "show the hops of one event",
    load: () => import("./trace.ts"),
  },
  {
    name: "queue",
    summary: "how far the workers are; pause, resume and skip",
    load: () => import("./queue.ts"),
  },
  {
    name: "dead-letters",
    summary: "look at events that workers gave up on, mend them, retry them",
    load: () => import("./dead-letters.ts"),
  },
  {
    name: "replay",
    summary: "rebuild a worker's database from the queue",
    load: () => import("./replay.ts"),
  },
  {
    name: "move",
    summary: "take a stopped system to other engines, and back",
    load: () => import("./move.ts"),
  },
  {
    name: "check",
    summary: "whether an application can read every event that is stored",
    load: () => import("./check.ts"),
  },
  {
    name: "schedules",
    summary: "the recurring events: when each came last and comes next",
    load: () => import("./schedules.ts"),
  },
  {
    name: "audit",
    summary: "what people have changed by hand",
    load: () => import("./audit.ts"),
  },
  {
    name: "keys",
    summary: "create, list and revoke API keys",
    load: () => import("./keys.ts"),
  },
  {
    name: "deploy",
    summary: "write what HAProxy, Docker Compose or Kubernetes take to run an application",
    load: () => import("./deploy.ts"),
  },
  {
    name: "drill",
    summary: "break parts of a running system and see whether its promises hold",
    load: () => import("./drill.ts"),
  },
  {
    name: "conformance",
    summary: "compare what an application does on other engines with the embedded ones",
    load: () => import("./conformance.ts"),
  },
  {
    name: "doctor",
    summary: "look for everything that could be wrong on this computer",
    load: () => import("./doctor.ts"),
  },
];

/** Runs the command line. Sets the exit code; throws nothing. */
export async function main(argv: readonly string[]): Promise<void> {
  endQuietlyOnClosedPipe();
  // The clock's timers keep no process alive, but a command that waits for one is not done.
  using _alive = keepAlive();
  if (argv.includes("--no-color")) process.env.NO_COLOR = "1";
  try {
    const program = await programFor(argv);
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: "user" });
  } catch (thrown) {
    process.exitCode = tell(asError(thrown), argv);
  }
}

async function programFor(argv: readonly string[]): Promise<Command> {
  const called = argv.find((word) => !word.startsWith("-"));
  const program = new Command("millrace")
    .description("Event-driven backends: durable events, exactly-once effects, order per key.")
    .version(version, "--version", "print the version")
    .helpOption("--help", "explain a command")
    .option("--no-color", "no colours, as with NO_COLOR=1")
    .addHelpText("after", "\nmillrace COMMAND --help explains a command, with examples.");
  for (const { name, summary, load } of entries) {
    const command = program.command(name).summary(summary).description(summary);
    if (name === called) (await load()).define(command);
  }
  forAll(program, (command) => {
    command.exitOverride().helpOption("--help", "explain this command").helpCommand(false);
    command.configureOutput({ outputError: () => {} });
    command.showSuggestionAfterError();
  });
  return program;
}

function forAll(command: Command, task: (command: Command) => void): void {
  task(command);
  for (const child of command.commands) forAll(child, task);
}

/** Whoever reads our output may stop reading: `millrace events list | head -1`. */
function endQuietlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      throw error;
    });
  }
}

function tell(error: Error, argv: readonly string[]): number {
  const has = (flag: string) => argv.includes(flag);
  const output = new Output({ json: has("--json"), quiet: false, verbose: has("--verbose") });
  if (error instanceof CommanderError) {
    // Help and the version end this way, too.
    if (error.exitCode === 0) return 0;
    // A group of commands was called without one: its help has been printed.
    if (error.code === "commander.help") return 2;
    output.error(usageError(error, argv));
    return 2;
  }
  output.error(error);
  return isMillraceError(error) ? error.exitCode : 1;
}

/**
 * Commander puts its guess on a second line: `error: unknown option '--prot'\n(Did you mean
 * --port?)`.
 */
function usageError({ message }: CommanderError, argv: readonly string[]): MillraceError {
  const known = entries.find(({ name }) => argv.includes(name));
  const help = known === undefined ? "millrace --help" : `millrace ${known.name} --help`;
  const [what = "", guess] = message.replace(/^error: /, "").split("\n");
  const sentence = `${what.charAt(0).toUpperCase()}${what.slice(1)}`;
  const remedy = guess?.replace(/^\(|\)$/g, "") ?? `${help} explains it.`;
  return new MillraceError("MR_USAGE", `${sentence.replace(/\.$/, "")}.`, { remedy });
}
