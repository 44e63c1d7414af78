import { randomUUID } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./sync-folder.ts";

/** Beside the queue's file, so that the two are put away, and come back, together. */
const sealFile = (folder: string): string => join(folder, "seal");

export function readSeal(folder: string): string | undefined {
  try {
    return readFileSync(sealFile(folder), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The file is either not there or whole: written aside, synced, renamed. */
export function writeSeal(folder: string, seal: string | undefined): void {
  if (seal === undefined) {
    rmSync(sealFile(folder), { force: true });
  } else {
    const aside = `${sealFile(folder)}.${randomUUID()}`;
    const file = openSync(aside, "wx", 0o600);
    try {
      writeFileSync(file, seal);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(aside, sealFile(folder));
  }
  syncFolder(folder);
}
