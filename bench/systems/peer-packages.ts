import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Skipped } from "../scenarios/scenario.ts";

const folder = fileURLToPath(new URL("../peers/", import.meta.url));

/**
 * What peers are made of is installed when it is first needed, beside the benchmark and in the
 * versions of its own lockfile: nobody else who works on Millrace has any use for it. No package's
 * script is run.
 */
export function installPeerPackages(): void {
  if (existsSync(join(folder, "node_modules", ".package-lock.json"))) return;
  try {
    const parameters = ["ci", "--ignore-scripts", "--omit=dev"];
    execFileSync("npm", parameters, { cwd: folder, stdio: "pipe" });
  } catch {
    throw new Skipped("its packages could not be installed (npm ci in bench/peers)");
  }
}
