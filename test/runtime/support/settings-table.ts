import { commandVariables, type Setting, settings } from "../../../src/runtime/settings.ts";

/** The table of all variables in docs/configuration.md. A test holds the page to it. */
export function settingsTable(): string {
  const rows = (Object.values(settings) as Setting[]).map(({ variable, flag, fallback, says }) =>
    row(`\`${variable}\``, flag === undefined ? "" : `\`${flag}\``, code(fallback), says),
  );
  const commands = Object.entries(commandVariables).map(([variable, { fallback, says }]) =>
    row(`\`${variable}\``, "", code(fallback), says),
  );
  return [
    row("Variable", "Flag", "Default", "What it sets"),
    "|---|---|---|---|",
    ...rows,
    ...commands,
  ].join("\n");
}

const row = (...cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const code = (text: string): string => (text === "" ? "" : `\`${text}\``);
