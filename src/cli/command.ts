import { type Command, Help } from "commander";
import { Output } from "./output.ts";

/** Which of the documented exit codes a command ends with. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 130;

/** What every command's file exports: its arguments, options and examples, and what it does. */
export type DefineCommand = (command: Command) => void;

/** The options that every command has. */
interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

export function addCommonOptions(command: Command): Command {
  return command
    .option("--json", "print data (and errors) as JSON")
    .option("--quiet", "say nothing but data and errors")
    .option("--verbose", "show stacks and details")
    .option("--no-color", "no colours, as with NO_COLOR=1");
}

export const outputFor = ({ json, quiet, verbose }: CommonOptions): Output =>
  new Output({ json: json === true, quiet: quiet === true, verbose: verbose === true });

const prompt = "  $ millrace ";

/** Summary and examples, as they stand in the help before the options. */
export function describe(command: Command, what: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `${prompt}${example}`);
  // As wide as the terminal, and not as our lines.
  const text = what.replaceAll(/(?<!\n)\n(?!\n)/g, " ");
  command.configureHelp({ boxWrap });
  return command.description([text, "", "Examples:", ...lines].join("\n"));
}

/** Examples stay whole: a command that is broken in two cannot be copied. */
function boxWrap(this: Help, text: string, width: number): string {
  const wrap = (line: string) => Help.prototype.boxWrap.call(this, line, width);
  return text
    .split("\n")
    .map((line) => (line.startsWith(prompt) ? line : wrap(line)))
    .join("\n");
}

/**
 * Gives a command its action: `run` gets the parsed arguments and options and says how it ended.
 * The exit code is only set, so that what is still being written gets written.
 */
export function runs<Options extends object>(
  command: Command,
  run: (call: {
    readonly args: readonly string[];
    readonly options: Options;
    readonly output: Output;
  }) => Promise<ExitCode>,
): void {
  addCommonOptions(command).action(async (..._arguments: unknown[]) => {
    const options = command.opts<Options & CommonOptions>();
    const code = await run({ args: command.args, options, output: outputFor(options) });
    process.exitCode = code;
  });
}
