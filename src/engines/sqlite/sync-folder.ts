import { closeSync, fsyncSync, openSync } from "node:fs";

/**
 * Makes the entries of a folder durable. A database file itself is never opened here: closing any
 * descriptor of it would drop the locks that this process holds on it.
 */
export function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
