import type { Command } from "commander";
import type { Flags } from "../runtime/config.ts";
import { type SettingName, settings } from "../runtime/settings.ts";

/** Adds the flags of these settings; their defaults are told, but applied in config.ts alone. */
export function addConfigOptions(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const setting = settings[name];
    if (!("flag" in setting)) continue;
    const { flag, says, variable, fallback } = setting;
    const otherwise = fallback === "" ? "" : `, else ${fallback}`;
    command.option(flag, `${says} (${variable}${otherwise})`);
  }
  return command;
}

/** What was given on the command line, by the settings' names. */
export function flagsOf(options: object, names: readonly SettingName[]): Flags {
  return Object.fromEntries(
    names.flatMap((name) => {
      const setting = settings[name];
      if (!("flag" in setting)) return [];
      const value: unknown = Reflect.get(options, camelCase(setting.flag));
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
}

/** As commander names an option: `--log-level <level>` is `logLevel`. */
const camelCase = (flag: string): string =>
  flag
    .replace(/^--/, "")
    .replace(/ .*$/, "")
    .replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase());
