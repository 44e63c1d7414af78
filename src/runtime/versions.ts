import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { version } from "../lib/version.ts";

/** The versions that run, for whoever looks into a failure: `shop 1.4.0, millrace 0.1.0`. */
export async function versionsOf(app: string): Promise<string> {
  const framework = `millrace ${version}`;
  const application = await packageOf(dirname(resolve(app)));
  const isOwn = application === undefined || application === framework;
  return isOwn ? framework : `${application}, ${framework}`;
}

/** Name and version of the package that a folder belongs to. */
async function packageOf(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, "package.json"), "utf8").catch(() => undefined);
  if (text === undefined) {
    const above = dirname(folder);
    return above === folder ? undefined : await packageOf(above);
  }
  try {
    const { name = basename(folder), version: found } = JSON.parse(text);
    return typeof found === "string" ? `${name} ${found}` : undefined;
  } catch {
    // Not ours to complain about.
    return undefined;
  }
}
