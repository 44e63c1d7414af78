import { describeConfig, type Flags, parseConfig } from "../runtime/config.ts";
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
  const width = Math.max(...shown.map(({ variable }) => variable.length));
  const valueWidth = Math.max(...shown.map(({ value }) => value.length));
  for (const { variable, value, origin } of shown) {
    output.line(`${variable.padEnd(width)}  ${value.padEnd(valueWidth)}  ${origin}`);
  }
  return 0;
}
