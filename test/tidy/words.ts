import { homedir } from "node:os";
import { type Findings, lineAt, root, type TextFile } from "./source.ts";

// Put together from pieces, so that this file does not contain what it looks for.
const unfinished = new RegExp(`\\b(?:${["TO", "FIX"].join("DO|")}ME|X{3})\\b`);
const registryHosts = new RegExp(`registry${"\\."}(?:npm|yarn)|npm${"mirror"}|npm${"\\."}pkg`);

/** Words that promise work instead of doing it. */
export const unfinishedWork = (files: readonly TextFile[]): Findings =>
  matches(files, unfinished, "promises work: do it, or write down why not");

/** A package's registry is the installing machine's choice. */
export const registries = (files: readonly TextFile[]): Findings =>
  matches(files, registryHosts, "names a registry's host");

/** Paths that exist on the machine of whoever wrote them, only. */
export function machinePaths(
  files: readonly TextFile[],
  folders: readonly string[] = [root, homedir()],
): Findings {
  // A checkout at `/app` says nothing: that may be anybody's path in a container.
  const known = folders
    .map((folder) => `${folder.replace(/[/\\]+$/, "")}/`)
    .filter((folder) => folder.split("/").length > 3 || folder === `${homedir()}/`);
  return files.flatMap(({ path, text }) => {
    const found = known.map((folder) => text.indexOf(folder)).filter((offset) => offset >= 0);
    return found.map((offset) => `${path}:${lineAt(text, offset)} names a folder of one machine`);
  });
}

function matches(files: readonly TextFile[], pattern: RegExp, what: string): Findings {
  return files.flatMap(({ path, text }) => {
    const match = pattern.exec(text);
    return match === null ? [] : [`${path}:${lineAt(text, match.index)} ${what} (${match[0]})`];
  });
}
