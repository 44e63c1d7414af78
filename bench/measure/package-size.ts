import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
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
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Everything that an installation brings: what the package needs, and what that needs. */
export function treeSize() {
  const text = readFileSync(join(root, "package-lock.json"), "utf8");
  const { packages } = JSON.parse(text) as { packages: Record<string, Locked> };
  const found = new Set<string>();
  const follow = (path: string): void => {
    for (const name of Object.keys(packages[path]?.dependencies ?? {})) {
      const place = placesOf(path, name).find((one) => one in packages);
      if (place === undefined || found.has(place)) continue;
      found.add(place);
      follow(place);
    }
  };
  follow("");
  const bytes = [...found].reduce((sum, path) => sum + folderBytes(join(root, path)), 0);
  return { packages: found.size, bytes };
}

/** Where Node looks for a package, from the one that needs it up to the root. */
function placesOf(neededBy: string, name: string): string[] {
  const within = neededBy === "" ? [] : [`${neededBy}/node_modules/${name}`];
  const above = neededBy.lastIndexOf("/node_modules/");
  return [
    ...within,
    ...(above > 0 ? placesOf(neededBy.slice(0, above), name) : []),
    `node_modules/${name}`,
  ];
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
