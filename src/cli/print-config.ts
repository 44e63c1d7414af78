import { describeConfig, type Flags, parseConfig } from "../runtime/config.ts";
import { columnsText } from "./columns.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";

/** `--print-config`: each value and where it came from. Secrets stay hidden. */
export function printConfig(flags: Flags, output: Output): ExitCode {
  const shown = describeConfig(parseConfig(flags, process.env));
  if (output.json) {
    const entries = shown.map(({ variable, value, origin }) => [variable, { value, origin }]);
    output.value(Object.fromEntries(entries));
    return 0;
  }
  output.line(columnsText(shown.map(({ variable, value, origin }) => [variable, value, origin])));
  return 0;
}
