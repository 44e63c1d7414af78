import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Where measurements keep their files: within the checkout, since temporary folders often lie in
 * memory, where nothing is ever synced.
 */
export const benchFolder = fileURLToPath(new URL("../../.millrace/bench/", import.meta.url));

/** A new folder for one system; `remove` takes it away. */
export function newFolder(name: string): { readonly path: string; remove(): void } {
  mkdirSync(benchFolder, { recursive: true });
  const path = mkdtempSync(join(benchFolder, `${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
