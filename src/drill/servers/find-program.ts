import { accessSync, constants } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { MillraceError } from "../../lib/errors.ts";

/** A server's program, and how people get it. */
export interface Program {
  readonly name: string;
  /** Folders to look into besides those of PATH. */
  readonly folders?: readonly string[];
  readonly install: string;
}

/** @throws MR_USAGE where it is not on this machine */
export function findProgram({ name, folders = [], install }: Program): string {
  const all = [...folders.map((folder) => resolve(folder)), ...commandFolders()];
  const found = all.map((folder) => join(folder, name)).find(isProgram);
  if (found !== undefined) return found;
  throw new MillraceError("MR_USAGE", `There is no ${name} on this machine.`, {
    remedy: `A drill of it starts servers of its own. ${install}`,
  });
}

const commandFolders = (): readonly string[] =>
  (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
