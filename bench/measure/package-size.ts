import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The package as `npm publish` would send it. */
export function packageSize() {
  const parameters = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const text = execFileSync("npm", parameters, { cwd: root, encoding: "utf8", stdio: "pipe" });
  const [packed] = JSON.parse(text) as { size: number; unpackedSize: number; entryCount: number }[];
  if (packed === undefined) throw new Error("npm packed nothing.");
  return { bytes: packed.size, unpackedBytes: packed.unpackedSize, files: packed.entryCount };
}

interface Locked {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly peer?: boolean;
  readonly link?: boolean;
}

/** Everything that comes with an installation of the package, as the lockfile tells it. */
export function treeSize() {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Locked>;
  };
  const folders = Object.entries(lock.packages)
    .filter(([path]) => path.startsWith("node_modules/"))
    .filter(([, { dev, devOptional, peer, link }]) => !dev && !devOptional && !peer && !link)
    .map(([path]) => path)
    // Builds for other systems stand in the lockfile and are not installed.
    .filter((path) => existsSync(join(root, path)));
  const bytes = folders.reduce((sum, path) => sum + folderBytes(join(root, path)), 0);
  return { packages: folders.length, bytes };
}

/** Packages within a package are counted by themselves. */
function folderBytes(folder: string): number {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile()) sum += statSync(path).size;
    else if (entry.isDirectory() && entry.name !== "node_modules") sum += folderBytes(path);
  }
  return sum;
}
